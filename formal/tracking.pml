/* A position case: nothing before acceptance is durable, nothing after the stop time, across crashes and power cuts.
 *
 * core/position/position.py with position/record.py (`provable_s`). Time is in ticks. CLOCK_BOOTTIME runs while the machine does
 * and starts anew with each boot session; the wall clock may be unknown at any time. WALL says what it is where it
 * says something: 0 right, or earlier than it was; 1 stuck: after a power cut it may stand where it was last saved
 * (a board without a battery clock). With 0, no fix is taken after the stop time in REAL time. With 1
 * nothing can show the time without power; then no more fixes are given than were asked for, and one for each cut.
 * Bounds: DURATION ticks of tracking, one tick between fixes, CUTS restarts, TICKS of time without power in all.
 */
#ifndef WALL
#define WALL 0
#endif
#ifndef DURATION
#define DURATION 2
#endif
#ifndef CUTS
#define CUTS 2
#endif
#ifndef TICKS
#define TICKS 3
#endif
#define MACHINE_POSITION
byte position;
bool moved;
#include "tables.pml"

#define NO_WALL 255
/* ---- durable: records.POSITION */
bool d_case;
byte d_stop_at, d_left, d_saved_wall = NO_WALL, d_session;
bool d_outcome;
bool d_news;                       /* a snapshot: another PIN or bundle has become durable */
/* ---- RAM */
bool r_news;
bool r_case, r_outcome, unsaved, is_new;
byte r_stop_at, r_left, r_saved_wall = NO_WALL, r_session;
byte until, next_fix;
bool writes, wrote_case, seals;
/* ---- the world */
byte now, session = 1, real;       /* CLOCK_BOOTTIME, kernel boot, ticks since acceptance */
byte fixes;                        /* handed out */
byte cuts, off;
bool tracking, accepted, over;
byte wall = NO_WALL;               /* what the wall clock says in this step */

inline end_case(t) {               /* PositionCase._end: outcome and removal of the case in one transaction */
    move_position(t);
    if
    :: moved -> assert(!r_outcome); r_case = false; r_outcome = true; writes = true;
#ifndef MUTANT_FIX_NOT_TAKEN_BACK   /* safeguard: core/position/position.py PositionCase._end, core/step.py Step.withdraw */
        seals = false
#endif
    :: else
    fi
}

inline save() {                    /* PositionCase._save */
    r_session = session; r_stop_at = until; r_left = until - now; r_saved_wall = wall;
    writes = true; wrote_case = true
}

inline seal() {                    /* the fix is that of this moment */
    if
    :: tracking ->
#if WALL == 0
        assert(real < DURATION)                               /* no position after the stop time */
#else
        assert(fixes < DURATION + cuts)                       /* as many as it asked for, and one more for each cut */
#endif
    :: else -> assert(fixes == 0)                             /* a snapshot: one */
    fi;
    assert(accepted && !over);
    seals = true
}

inline search() {
    if
    :: skip                                                   /* no fresh fix yet */
    :: move_position(POSITION_ON_FIX_TAKEN);
        next_fix = now + 1;
#ifndef MUTANT_REMAINING_NOT_DURABLE   /* safeguard: core/position/position.py PositionCase._search: _save before _seal */
        save();
#endif
        seal()
    fi
}

inline advance() {
    is_new = false;
    if
    :: position == POSITION_LOOKING ->
        if
        :: skip; end_case(POSITION_ON_TOO_LATE)
        :: skip; move_position(POSITION_ON_FIX_TAKEN); seal()
        :: skip
        fi
    :: position == POSITION_SEALING ->
        if
        :: skip; end_case(POSITION_ON_SEALED)
        :: skip; end_case(POSITION_ON_NOT_SEALED)
        fi
    :: position == POSITION_TRACKING || position == POSITION_SEARCHING ->
        if
#ifndef MUTANT_STOP_NOT_LOOKED_AT   /* safeguard: core/position/position.py PositionCase._track */
        :: now >= until -> end_case(POSITION_ON_STOP_TIME)
        :: now < until ->
#else
        :: true ->
#endif
            if
            :: position == POSITION_TRACKING && now >= next_fix -> move_position(POSITION_ON_FIX_DUE); search()
            :: position == POSITION_SEARCHING -> search()
            :: else
            fi
        fi
    :: else
    fi
}

inline take_message() {
    if
    :: !accepted ->                                           /* the grant: authorisation.pml, at_most_once.pml */
        accepted = true;
        if
        :: tracking = true; move_position(POSITION_ON_ACCEPTED_TRACKING); until = now + DURATION
        :: move_position(POSITION_ON_ACCEPTED_SNAPSHOT); until = now
        fi;
        next_fix = now; r_case = true; is_new = true; save()
    :: accepted && position != POSITION_IDLE -> end_case(POSITION_ON_CASE_ENDED)
    :: accepted && position != POSITION_IDLE -> end_case(POSITION_ON_RIGHT_ENDED)
    :: accepted && position != POSITION_IDLE ->
        r_news = !tracking; writes = true;
#ifdef MUTANT_SEALED_AFTER_NEWS   /* safeguard: core/position/states.py, SEALING and PIN_CHANGED */
        if
        :: position != POSITION_SEALING -> end_case(POSITION_ON_PIN_CHANGED)
        :: else
        fi
#else
        end_case(POSITION_ON_PIN_CHANGED)
#endif
    :: else
    fi
}

/* Any step: the wall clock may be unknown; it is otherwise right (acceptance was at wall time 10). */
inline look_at_the_clock() {
    if
    :: wall = NO_WALL
    :: accepted -> wall = 10 + real
    :: !accepted -> wall = 10
    fi
}

inline commit() {
    assert(!d_case || r_case || r_outcome);
    d_case = r_case; d_stop_at = r_stop_at; d_left = r_left; d_saved_wall = r_saved_wall; d_session = r_session;
    d_outcome = r_outcome; d_news = r_news;
    if
    :: r_outcome -> over = true
    :: else
    fi
}

/* Within one boot session CLOCK_BOOTTIME proves what is left; in another one the wall clock, or nothing does. */
inline resume() {
    look_at_the_clock();
    if
    :: session != d_session ->
        if
        :: skip
        :: wall = 5                                           /* earlier than it was */
#if WALL == 1
        :: d_saved_wall != NO_WALL -> wall = d_saved_wall     /* stuck */
#endif
        fi
    :: else
    fi;
    position = (tracking -> POSITION_TRACKING : POSITION_LOOKING);
    if
    :: !tracking ->
#ifdef MUTANT_SNAPSHOT_AGAIN   /* safeguard: core/position/position.py PositionCase.start: a snapshot ends as unknown */
        skip
#else
        end_case(POSITION_ON_RESTARTED)
#endif
#ifdef MUTANT_SESSION_NOT_COMPARED   /* safeguard: core/position/record.py PositionRecord.provable_s */
    :: tracking ->
        until = d_stop_at;
#else
    :: tracking && session == d_session ->
        until = d_stop_at;
#endif
        if
        :: until > now -> move_position(POSITION_ON_RESTARTED); next_fix = now; save()
        :: else -> end_case(POSITION_ON_STOP_TIME)
        fi
#ifndef MUTANT_SESSION_NOT_COMPARED
    :: tracking && session != d_session && (wall == NO_WALL || d_saved_wall == NO_WALL
#ifndef MUTANT_EARLIER_WALL   /* safeguard: core/position/record.py PositionRecord.provable_s, wall < saved_wall */
                                            || wall < d_saved_wall
#endif
                                           ) ->
#ifdef MUTANT_UNPROVEN_TIME   /* safeguard: core/position/position.py PositionCase.start, left_s is None */
        until = now + d_left; move_position(POSITION_ON_RESTARTED); next_fix = now; save()
#else
        end_case(POSITION_ON_TIME_NOT_PROVEN)
#endif
    :: else ->
        if
#ifdef MUTANT_EARLIER_WALL
        :: wall < d_saved_wall -> until = now + d_left + (d_saved_wall - wall)
#endif
        :: wall >= d_saved_wall && wall - d_saved_wall < d_left -> until = now + d_left - (wall - d_saved_wall)
        :: else -> until = now
        fi;
        if
        :: until > now -> move_position(POSITION_ON_RESTARTED); next_fix = now; save()
        :: else -> end_case(POSITION_ON_STOP_TIME)
        fi
#endif
    fi
}

inline tick() {
    if
    :: accepted && real < DURATION + 2 -> real++
    :: else
    fi
}

active proctype car() {
waiting:
    atomic {
        assert(position != POSITION_IDLE || unsaved || !d_case);
        look_at_the_clock();
        if
        :: skip; advance()
        :: !accepted || position != POSITION_IDLE -> advance(); take_message()
        :: goto restart
        fi;
        wall = NO_WALL
    };
finish:
    atomic {
        if
        :: unsaved && !writes -> writes = true
        :: !(unsaved && writes)
        :: writes
        fi
    };
    if
    :: writes ->
        if
        :: goto restart
        :: atomic { commit(); unsaved = false; writes = false; wrote_case = false }
        :: atomic {
                if
                :: commit()
                :: skip
                fi;
                unsaved = true; writes = false;
#ifndef MUTANT_FAILED_DISK_IGNORED   /* safeguard: core/durable/failures.py Failures._not_durable, PositionCase.not_durable */
                seals = false;
                if
                :: wrote_case && is_new -> end_case(POSITION_ON_NOT_DURABLE)
                :: else
                fi;
#endif
                wrote_case = false;
                look_at_the_clock(); advance(); wall = NO_WALL
           };
           goto finish
        fi
    :: else
    fi;
    if
    :: seals ->
        if
        :: goto restart
        :: atomic {
                assert(d_case && !over);                      /* accepted durably, and not ended in this very step */
                assert(!d_news);                              /* G6: what has not begun does not begin after news */
                seals = false;
                if
                :: WALL == 1 || !tracking -> fixes++
                :: else
                fi
           }
        :: atomic { seals = false; look_at_the_clock(); advance(); wall = NO_WALL }; goto finish     /* not sealed */
        fi
    :: else
    fi;
    goto waiting;
restart:
    if
    :: cuts < CUTS ->
        atomic {
            cuts++;
            if                                                /* the agent alone, or the whole machine */
            :: skip
            :: session++; now = 0;
                do
                :: off < TICKS -> off++; tick()
                :: break
                od
            fi;
            r_case = d_case; r_outcome = d_outcome; r_news = d_news; r_stop_at = d_stop_at; r_left = d_left;
            r_saved_wall = d_saved_wall; r_session = d_session;
            unsaved = false; seals = false; wrote_case = false; is_new = false; until = 0; next_fix = 0;
            position = POSITION_IDLE; wall = NO_WALL;
            writes = true;                                    /* the event STARTED */
            if
            :: d_case -> resume()
            :: !d_case && accepted && !d_outcome -> over = true   /* cut before the acceptance was durable */
            :: else
            fi;
            wall = NO_WALL
        };
        goto finish
    :: else
    fi
}

active proctype time() {
end:
    do
    :: atomic {
            now < 2 * DURATION ->
            now++;
            tick()
       }
    od
}
