/* The automatic re-lock: only after an executed unlock, only in the lock direction, once, and never on people.
 *
 * core/unlock/relock.py beside the unlock (abstract here: idle, firing, waiting; at_most_once.pml has all of it), with crashes
 * between any two effects and a failing disk. PERMISSIONS executed unlocks; any number of restarts, failures, events.
 */
#ifndef PERMISSIONS
#define PERMISSIONS 2
#endif
#define MACHINE_RELOCK
byte relock;
bool moved;
#include "tables.pml"

#define NONE 0
#define COUNTS 1
#define ATTEMPTED 2
byte d_record, r_record;           /* records.RELOCK: none, pending, `is_attempted`; durable and in RAM */
byte d_permission, r_permission;   /* whose it is: number of the executed unlock */
bool unsaved;
bool writes, wrote_record, transmits, unlocks;

#define UNLOCK_IDLE 0
#define UNLOCK_FIRING 1
#define UNLOCK_WAITING 2
byte unlocking;                    /* core/unlock/unlock.py: FIRING and WAITING are `is_acting` */
byte executed;                     /* how many unlocks ended as executed */
bool frames[PERMISSIONS + 1];      /* lock frames by permission */
bool settled[PERMISSIONS + 1];     /* it ended: cancelled, locked or failed */
bool over[PERMISSIONS + 1];        /* and that is durable */
bool people;                       /* somebody used the car since the last executed unlock, and this agent was told */

#define IS_LOCKING (relock == RELOCK_LOCKING || relock == RELOCK_WAITING)

inline end_relock(t) {             /* AutomaticRelock._end */
    move_relock(t);
    if
    :: moved -> settled[r_permission] = true; r_record = NONE; r_permission = 0; writes = true
    :: else
    fi
}

inline begin_relock() {            /* AutomaticRelock.begin, called by Unlock._end in the step that stores `executed` */
    move_relock(RELOCK_ON_UNLOCKED);
    if
    :: moved -> r_record = COUNTS; r_permission = executed; writes = true; wrote_record = true
    :: else
    fi
}

/* An unlock may be executed, refused or fail; it is judged before the re-lock in the same step. */
inline advance_unlock() {
    if
    :: unlocking == UNLOCK_IDLE && executed < PERMISSIONS -> unlocking = UNLOCK_FIRING
#ifdef MUTANT_UNLOCK_WHILE_LOCKING   /* safeguard: core/unlock/unlock.py Unlock._judge, is_locking */
    :: unlocking == UNLOCK_FIRING -> unlocking = UNLOCK_WAITING; unlocks = true
#else
    :: unlocking == UNLOCK_FIRING && !IS_LOCKING -> unlocking = UNLOCK_WAITING; unlocks = true
#endif
    :: unlocking != UNLOCK_IDLE -> unlocking = UNLOCK_IDLE           /* refused, failed or unknown */
#ifdef MUTANT_WITHOUT_UNLOCK   /* safeguard: core/unlock/unlock.py Unlock._end, `outcome is Outcome.EXECUTED` */
        ; begin_relock()
#endif
    :: (unlocking == UNLOCK_WAITING || (unlocking == UNLOCK_FIRING && !IS_LOCKING)) ->   /* executed */
        unlocking = UNLOCK_IDLE; executed++; people = false; begin_relock()
    :: skip
    fi
}

inline advance_relock() {
    if
    :: relock == RELOCK_COUNTING ->
        if
#ifndef MUTANT_PEOPLE_IGNORED   /* safeguard: core/unlock/relock.py AutomaticRelock._count, _by_people; _judge, _refusal */
        :: people = true; end_relock(RELOCK_ON_DOOR_OPENED)
        :: people = true; end_relock(RELOCK_ON_KEY_USED)
        :: people = true; end_relock(RELOCK_ON_DRIVEN_OFF)
#else
        :: people = true
#endif
        :: skip; end_relock(RELOCK_ON_LOCKED_BY_CAR)
        :: skip; move_relock(RELOCK_ON_TIME_UP); judge()
        :: skip
        fi
    :: relock == RELOCK_JUDGING -> judge()
    :: relock == RELOCK_LOCKING -> act()
    :: relock == RELOCK_WAITING ->
        if
        :: skip; end_relock(RELOCK_ON_LOCKED)
        :: skip; end_relock(RELOCK_ON_NO_STATUS_IN_TIME)
        :: skip
        fi
    :: else
    fi
}

inline judge() {
    if
    :: unlocking != UNLOCK_IDLE                                      /* looked at again later */
#ifdef MUTANT_LOCK_WHILE_UNLOCKING   /* safeguard: core/unlock/relock.py AutomaticRelock._judge, is_unlocking */
        -> move_relock(RELOCK_ON_ALLOWED); r_record = ATTEMPTED; writes = true; wrote_record = true
#endif
#ifndef MUTANT_PEOPLE_IGNORED
    :: unlocking == UNLOCK_IDLE -> people = true; end_relock(RELOCK_ON_DOOR_OPENED)
    :: unlocking == UNLOCK_IDLE -> people = true; end_relock(RELOCK_ON_KEY_USED)
    :: unlocking == UNLOCK_IDLE -> people = true; end_relock(RELOCK_ON_DRIVEN_OFF)
#endif
    :: unlocking == UNLOCK_IDLE -> end_relock(RELOCK_ON_SIGNALS_UNKNOWN)
    :: unlocking == UNLOCK_IDLE                                      /* not known yet */
    :: unlocking == UNLOCK_IDLE -> end_relock(RELOCK_ON_LOCKED_BY_CAR)
    :: unlocking == UNLOCK_IDLE ->
        move_relock(RELOCK_ON_ALLOWED);
#ifndef MUTANT_ATTEMPT_NOT_DURABLE   /* safeguard: core/unlock/relock.py AutomaticRelock._judge puts `is_attempted` */
        r_record = ATTEMPTED; wrote_record = true;
#endif
        writes = true
    fi
}

inline act() {                     /* AutomaticRelock._lock: in the step after the one that made the attempt durable */
    if
#ifndef MUTANT_NOT_JUDGED_AGAIN   /* safeguard: core/unlock/relock.py AutomaticRelock._lock looks for people again */
    :: people = true; end_relock(RELOCK_ON_DOOR_OPENED)
    :: people = true; end_relock(RELOCK_ON_KEY_USED)
    :: people = true; end_relock(RELOCK_ON_DRIVEN_OFF)
#else
    :: people = true; move_relock(RELOCK_ON_DURABLE); transmits = true
#endif
    :: skip; end_relock(RELOCK_ON_SIGNALS_UNKNOWN)                   /* the disk was slow: what was seen is old */
    :: skip                                                          /* and is waited for */
    :: skip; move_relock(RELOCK_ON_DURABLE); transmits = true
    fi
}

inline commit() {
    /* What was pending leaves the disk settled, or because a newer executed unlock took its place. */
    assert(d_record == NONE || r_record != NONE || settled[d_permission] || executed > d_permission);
    if
    :: d_record != NONE && (r_record == NONE || r_permission != d_permission) -> over[d_permission] = true
    :: else
    fi;
    d_record = r_record; d_permission = r_permission
}

active proctype car() {
waiting:
    atomic {
        assert(relock != RELOCK_IDLE || unsaved || d_record == NONE);
        if
        :: skip; advance_unlock(); advance_relock()
        :: goto restart
        fi
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
        :: atomic { commit(); unsaved = false; writes = false; wrote_record = false }
        :: atomic {                              /* the transaction failed; the disk may have it all the same */
                if
                :: commit()
                :: skip
                fi;
                unsaved = true; writes = false;
                if
                :: wrote_record -> end_relock(RELOCK_ON_NOT_DURABLE)
                :: else
                fi;
                wrote_record = false;
                if
                :: transmits -> transmits = false; end_relock(RELOCK_ON_NOT_SENT)
                :: else
                fi;
                if
                :: unlocks -> unlocks = false; unlocking = UNLOCK_IDLE
                :: else
                fi;
                advance_relock()
           };
           goto finish
        fi
    :: else
    fi;
    if
    :: unlocks ->
        if
        :: goto restart
        :: atomic { assert(!IS_LOCKING); unlocks = false }
        fi
    :: else
    fi;
    if
    :: transmits ->
        if
        :: goto restart
        :: atomic {
                assert(executed > 0 && r_permission > 0);            /* born of an executed unlock */
                assert(!frames[r_permission] && !over[r_permission]);/* once, and not after it was settled */
                assert(!people);                                     /* nobody is there */
                assert(unlocking != UNLOCK_WAITING);                 /* one actuation at a time */
                frames[r_permission] = true; transmits = false
           }
        :: atomic { transmits = false; end_relock(RELOCK_ON_NOT_SENT); advance_relock() }; goto finish
        fi
    :: else
    fi;
    goto waiting;
restart:
    atomic {
        r_record = d_record; r_permission = d_permission; unsaved = false; transmits = false; unlocks = false;
        wrote_record = false; writes = true;
        unlocking = UNLOCK_IDLE;
        people = false;                          /* not stored: doors and key are judged afresh */
#ifdef MUTANT_TRIED_AGAIN   /* safeguard: core/unlock/relock.py AutomaticRelock.start, `is_attempted`: looks, never sends */
        relock = (r_record == NONE -> RELOCK_IDLE : RELOCK_COUNTING)
#else
        relock = (r_record == NONE -> RELOCK_IDLE : (r_record == ATTEMPTED -> RELOCK_WAITING : RELOCK_COUNTING))
#endif
    };
    goto finish
}
