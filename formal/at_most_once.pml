/* At most once, in time, and never untold: the unlock through crashes, failing disks, replays and slow clocks.
 *
 * The car is src/tcu_agent/core/agent.py with intake, challenges, outcomes, unlock, unsaved and failures: one event, one
 * step, at most one transaction, then the effects behind it. Between any two effects the power may be cut, time may
 * pass, and a transaction or a transmission may fail (a failed transaction may have reached the disk all the same).
 * The network is the attacker: every message ever sent may arrive at any time, any number of times, or never.
 * The attacker also holds the command key: requests and grants are his; evidence is the PIN authority's alone, and the
 * worst is assumed of it here: it signs for EVERY challenge that leaves the car, at once. (authorisation.pml asks what
 * evidence must say; here the question is how often, and how late, it can act.)
 *
 * Bounds: REQUESTS request ids, CHALLENGES request messages (each has its own seq, and so at most one challenge),
 * lifetime TTL ticks, plate window WINDOW ticks, any number of restarts, failures, ticks and repetitions.
 * Abstractions: formal/README.md. Mutants: each -DMUTANT_... removes one safeguard; the place in the code stands there.
 */
#ifndef REQUESTS
#define REQUESTS 2
#endif
#ifndef CHALLENGES
#define CHALLENGES 3
#endif
#ifndef TTL
#define TTL 1
#endif
#ifndef WINDOW
#define WINDOW 1
#endif

#define MACHINE_UNLOCK
byte unlock;
bool moved;
#include "tables.pml"

/* ---- durable: what a restart finds */
#define NO_INTENT 0
#define IS_ARMED 1
#define IS_FIRING 2
byte d_intent, d_challenge;     /* records.UNLOCK: kind, and the challenge whose evidence it rests on */
bool d_outcome[REQUESTS];       /* records.OUTCOME_PREFIX: whether there is one; what it says is judged in `settle` */
byte d_mark;                    /* records.MARKS: highest request seq taken */
bool d_generation;              /* records.ACCOUNT: whether the PIN change has been learnt */

/* ---- RAM: what the core believes; equal to what is durable plus what Unsaved keeps */
byte r_intent, r_challenge;
bool r_outcome[REQUESTS];
byte r_mark;
bool r_generation;
bool unsaved;                   /* core/durable/unsaved.py: a transaction failed, its content goes with the next one */
bool live[CHALLENGES];          /* core/verify/challenges.py: the table; the challenge of seq n has nonce n, never drawn again */
byte job;                       /* core/unlock/unlock.py _Job: challenge, mode, time used up of its own time, doubt */
bool job_armed, job_doubtful;
byte job_age;

/* ---- the step under way: what it will do */
bool writes, wrote_intent, transmits;
byte sends = CHALLENGES;        /* the challenge to send, CHALLENGES = none */

/* ---- the world, and what only the checks look at */
byte request_of[CHALLENGES];
bool armed_mode[REQUESTS];      /* the request's parameters */
bool generation_of[CHALLENGES];
byte age[CHALLENGES];           /* real age of a challenge in ticks; TTL + 1 = too old */
bool evidence[CHALLENGES];
bool sent[CHALLENGES];          /* a challenge of this request message has left the car */
bool acted_on[CHALLENGES];      /* frames by evidence */
bool acted[REQUESTS];           /* frames by request id */
bool cut_off[REQUESTS];         /* a restart found its intent */
bool told[REQUESTS];            /* an outcome has been durable */

#if defined(MUTANT_WALL_CLOCK) || defined(MUTANT_MONOTONIC_CLOCK) || defined(PEER_MONOTONIC_CLOCK)
#define OTHER_CLOCK
byte seen_age[CHALLENGES];      /* the age that the wrong clock shows */
#define AGE(c) seen_age[c]
#else
#define AGE(c) age[c]
#endif

#ifdef MUTANT_CHALLENGES_DURABLE
bool d_live[CHALLENGES];
#endif

bool unlocked;
byte trigger = 255, outcome, c, r, k;   /* scratch, 255 or 0 between steps */
#define NO_TRIGGER 255
#define EXECUTED 1
#define REFUSED 2
#define FAILED 3
#define UNKNOWN 4
#define CANCELLED 5
#define REFUSED_BY_CAR 6

#define ANSWERED(q) (r_outcome[q] || (unlock != UNLOCK_IDLE && request_of[job] == q))   /* intake.Intake._answered */
#define LIMIT (job_armed -> WINDOW : TTL)

/* Outcomes.settle: outcome and result in this step's transaction; one for each request id, for ever. */
inline settle(q, said) {
    assert(said != EXECUTED || unlocked);                   /* G4: the locks said so */
    assert(!r_outcome[q] || said == REFUSED);
    /* G4: nothing is said to have not happened that did. */
    assert(!(said == REFUSED || said == CANCELLED || said == REFUSED_BY_CAR) || !acted[q] || said == REFUSED_BY_CAR);
#ifndef MUTANT_OUTCOME_NOT_STORED   /* safeguard: core/unlock/outcomes.py Outcomes.settle puts the outcome */
    r_outcome[q] = true;
#endif
    writes = true
}

/* Unlock._end: by a row of the table alone; outcome and removal of the intent in one transaction. */
inline end_job(t, said) {
    move_unlock(t);
    if
    :: moved ->
        settle(request_of[job], said);
        r_intent = NO_INTENT; r_challenge = 0; writes = true;
        job = 0; job_armed = false; job_doubtful = false; job_age = 0
    :: else
    fi
}

/* Unlock.advance: once for each event, before what the event brings. Signals may say anything at any time. */
inline advance() {
    if                                      /* what the fresh statuses of all locks say */
    :: unlock == UNLOCK_FIRING || unlock == UNLOCK_WAITING -> unlocked = true
    :: skip
    fi;
    if
    :: unlock == UNLOCK_ARMED ->            /* _watch */
        if
        :: job_age >= WINDOW -> trigger = UNLOCK_ON_WINDOW_PASSED; outcome = CANCELLED
        :: job_age < WINDOW -> trigger = UNLOCK_ON_DRIVEN_OFF; outcome = CANCELLED
        :: job_age < WINDOW ->
            move_unlock(UNLOCK_ON_PLATE_PRESSED);
            r_intent = IS_FIRING; writes = true; wrote_intent = true
        :: job_age < WINDOW                 /* nothing happens */
        fi
    :: unlock == UNLOCK_FIRING ->           /* _judge */
        if
        :: trigger = UNLOCK_ON_NOT_ALLOWED; outcome = REFUSED          /* moving, in use, or not known in time */
        :: job_age < LIMIT                  /* signals not known yet, or a re-lock is under way: waits */
#ifdef MUTANT_NOT_JUDGED_AGAIN   /* safeguard: core/unlock/unlock.py Unlock._judge, `step.now > job.until` */
        :: skip;
#else
        :: job_age > LIMIT -> trigger = UNLOCK_ON_TOO_LATE; outcome = (job_armed -> CANCELLED : REFUSED)
        :: job_age <= LIMIT ->
#endif
            if
            :: unlocked -> trigger = UNLOCK_ON_ALREADY_UNLOCKED; outcome = EXECUTED
            :: !unlocked ->
                move_unlock(UNLOCK_ON_ALLOWED);
                assert(job_age <= LIMIT);                              /* G3: acts within its own time */
                assert(generation_of[job] == r_generation);            /* G6: nothing from before the change */
                transmits = true
            fi
        fi
    :: unlock == UNLOCK_WAITING ->          /* _observe: lock statuses from after the frame */
        if
#ifdef MUTANT_SUCCESS_ON_SEND   /* safeguard: core/unlock/unlock.py Unlock._observe: the lock status decides */
        :: trigger = UNLOCK_ON_UNLOCKED; outcome = EXECUTED
#else
        :: unlocked -> trigger = UNLOCK_ON_UNLOCKED; outcome = EXECUTED
#endif
        :: trigger = UNLOCK_ON_REFUSED_BY_CAR; outcome = REFUSED_BY_CAR
        :: trigger = UNLOCK_ON_NO_STATUS_IN_TIME; outcome = UNKNOWN
        :: !job_doubtful -> trigger = UNLOCK_ON_NO_STATUS_IN_TIME; outcome = FAILED
        :: skip                             /* waits */
        fi
    :: else
    fi;
    if
    :: trigger != NO_TRIGGER -> end_job(trigger, outcome); trigger = NO_TRIGGER; outcome = 0
    :: else
    fi;
    unlocked = false
}

/* ChallengeTable._expire */
inline expire() {
#if defined(MUTANT_LIFETIME) || defined(PEER_NO_EXPIRY)     /* safeguard: core/verify/challenges.py ChallengeTable._expire */
    skip
#else
    for (k : 0 .. CHALLENGES - 1) {
        if
        :: live[k] && AGE(k) > TTL -> live[k] = false; age[k] = 0
        :: else
        fi
    }
    k = 0
#endif
}

inline clear_challenges() {
    for (c : 0 .. CHALLENGES - 1) {
        if
        :: live[c] -> live[c] = false; age[c] = 0
        :: else
        fi
    }
    c = 0
}

/* Intake._take_request: any request id under any seq that is left; the mark is raised whatever follows. */
inline take_request() {
    select(c : 0 .. CHALLENGES - 1);
    select(r : 0 .. REQUESTS - 1);
    if
    :: c + 1 > r_mark ->
        r_mark = c + 1;
#ifndef MUTANT_MARK_NOT_DURABLE
        writes = true;
#endif
        if
#ifdef MUTANT_NOT_ANSWERED   /* safeguard: core/verify/verifier.py Verifier.verify_request R3, intake.Intake._answered */
        :: false
#else
        :: ANSWERED(r)
#endif
        :: else ->
            expire();
            if
            :: (live[0] && request_of[0] == r)
            :: CHALLENGES > 1 && (live[1] && request_of[1] == r)
            :: CHALLENGES > 2 && (live[2 % CHALLENGES] && request_of[2 % CHALLENGES] == r)
            :: else -> request_of[c] = r; live[c] = true; age[c] = 0; generation_of[c] = r_generation; sends = c
#ifdef OTHER_CLOCK
                ; seen_age[c] = 0
#endif
            fi
        fi
    :: else
    fi;
    c = 0; r = 0
}

/* Intake._take_grant and Unlock.accept: a grant around any evidence there is, again and again. */
inline take_grant() {
    expire();
    select(c : 0 .. CHALLENGES - 1);
    if
    :: (evidence[c] && live[c]
#if !defined(MUTANT_GENERATION) && !defined(PEER_NO_STANDING)   /* core/verify/steps.py check_standing */
        && generation_of[c] == r_generation
#endif
#if !defined(MUTANT_LIFETIME) && !defined(PEER_NO_AGE)          /* core/verify/verifier.py verify_grant, step 5 */
        && AGE(c) <= TTL
#endif
        ) ->
        assert(age[c] <= TTL);                                  /* G3: no acceptance after the lifetime */
        assert(generation_of[c] == r_generation);               /* G6 */
#ifndef MUTANT_NONCE_KEPT   /* safeguard: core/verify/challenges.py ChallengeTable.take, called by core/verify/verifier.py */
        live[c] = false;
#endif
#ifdef MUTANT_TWO_AT_ONCE   /* safeguard: core/unlock/unlock.py Unlock.accept, the table first */
        if
        :: unlock != UNLOCK_IDLE -> unlock = UNLOCK_IDLE
        :: else
        fi;
#endif
        if
        :: armed_mode[request_of[c]] -> move_unlock(UNLOCK_ON_ACCEPTED_ARMED)
        :: else -> move_unlock(UNLOCK_ON_ACCEPTED_DIRECT)
        fi;
        if
        :: moved ->
            job = c; job_armed = armed_mode[request_of[c]]; job_doubtful = false;
            job_age = (job_armed -> 0 : age[c]);
            r_challenge = c; r_intent = (job_armed -> IS_ARMED : IS_FIRING);
            writes = true; wrote_intent = true
        :: else -> settle(request_of[c], REFUSED)               /* busy */
        fi;
        age[c] = (live[c] -> age[c] : 0)
    :: else                                                     /* the stored result again, or a refusal */
    fi;
    c = 0
}

/* Adopter.account with another PIN generation (and, alike here, .trust): learnt once. */
inline take_news() {
    r_generation = true; writes = true;
#if !defined(MUTANT_GENERATION) && !defined(PEER_NO_CLEAR)      /* core/account.py: challenges.clear */
    clear_challenges();
#endif
#ifndef MUTANT_ARMED_OUTLIVES_PIN   /* safeguard: core/account.py Adopter._end_old_rights, unlock.cancel */
    if
    :: transmits ->                         /* the frame that `advance` has decided on in this very step */
#ifndef MUTANT_FRAME_OUTLIVES_NEWS   /* safeguard: core/unlock/unlock.py Unlock.cancel, core/step.py Step.withdraw */
        transmits = false; end_job(UNLOCK_ON_FRAME_TAKEN_BACK, CANCELLED)
#else
        skip
#endif
    :: !transmits && unlock != UNLOCK_IDLE -> end_job(UNLOCK_ON_GENERATION_CHANGED, CANCELLED)
    :: else
    fi
#endif
}

/* A transaction reaches the disk whole: RAM is what is durable plus what was kept of failed ones. */
inline commit() {
    /* An intent leaves the disk with its outcome, or not at all. */
    assert(d_intent == NO_INTENT || (r_intent != NO_INTENT && r_challenge == d_challenge)
           || r_outcome[request_of[d_challenge]]);
#ifdef MUTANT_INTENT_NOT_DURABLE   /* safeguard: core/unlock/unlock.py Unlock.accept and _watch: step.put(records.UNLOCK) */
    d_intent = NO_INTENT;
#else
    d_intent = r_intent; d_challenge = r_challenge;
#endif
    for (r : 0 .. REQUESTS - 1) {
        d_outcome[r] = r_outcome[r];
        if
        :: r_outcome[r] -> told[r] = true
        :: else
        fi
    }
    r = 0;
#ifndef MUTANT_MARK_NOT_DURABLE   /* safeguard: core/durable/knowledge.py Knowledge.raise_mark */
    d_mark = r_mark;
#endif
    d_generation = r_generation
}

/* The lock opens. */
inline frame() {
    assert(evidence[job]);                       /* G1 */
    assert(!acted_on[job]);                      /* G2: once for each evidence */
    assert(!acted[request_of[job]]);             /*     and once for each request id */
    assert(!cut_off[request_of[job]]);           /*     and never again what a restart cut off */
    assert(job_age <= LIMIT);                    /* G3: in its own time, however long the disk took meanwhile */
    assert(generation_of[job] == d_generation);  /* G6: nothing leaves once a change is durable */
    acted_on[job] = true;
    acted[request_of[job]] = true
}

active proctype car() {
    atomic {
        if                                       /* what the requests ask for */
        :: armed_mode[0] = true
        :: skip
        fi;
        if
        :: REQUESTS > 1 -> armed_mode[REQUESTS - 1] = true
        :: skip
        fi
    }
waiting:
    atomic {
        /* Nothing is under way and nothing unsaved: then nothing is open, and nothing that moved is untold. */
        assert(unlock != UNLOCK_IDLE || unsaved || d_intent == NO_INTENT);
        assert(unlock != UNLOCK_IDLE || unsaved || !acted[0] || told[0]);
        assert(unlock != UNLOCK_IDLE || unsaved || !acted[REQUESTS - 1] || told[REQUESTS - 1]);
        if
        :: skip; advance()                       /* TimePassed, or signals */
        :: skip; advance(); take_request()
        :: skip; advance(); take_grant()
        :: !r_generation -> advance(); take_news()
        :: /* Resumed: core/agent.py Core._observed clears, before anything else; a suspend takes long */
            for (c : 0 .. CHALLENGES - 1) {
                if
                :: live[c] -> age[c] = TTL + 1
#if defined(OTHER_CLOCK) && !defined(MUTANT_MONOTONIC_CLOCK) && !defined(PEER_MONOTONIC_CLOCK)
                    ; seen_age[c] = TTL + 1
#endif
                :: else
                fi
            }
            if
            :: unlock != UNLOCK_IDLE -> job_age = LIMIT + 1
            :: else
            fi;
            c = 0;
#if !defined(MUTANT_MONOTONIC_CLOCK) && !defined(PEER_NO_SUSPEND_CLEAR)
            clear_challenges();
#endif
            advance()
        :: goto restart
        fi
    };
finish:
    atomic {
        if                                       /* Unsaved.merge_into: with this step's transaction, or when due */
        :: unsaved && !writes -> writes = true
        :: !(unsaved && writes)
        :: writes
        fi
    };
#ifdef MUTANT_INTENT_AFTER_FRAME   /* safeguard: core/agent.py: Persist first; unlock acts in the step after it */
    if
    :: wrote_intent && unlock == UNLOCK_FIRING -> atomic { move_unlock(UNLOCK_ON_ALLOWED); frame() }
    :: else
    fi;
#endif
    if
    :: writes ->
        if
        :: goto restart                          /* cut before it is durable */
        :: atomic { commit(); unsaved = false; writes = false; wrote_intent = false }
        :: atomic {                              /* EffectFailed(Persist): core/durable/failures.py _not_durable */
                if
                :: commit()                      /* the disk has it all the same */
                :: skip
                fi;
                unsaved = true; writes = false;
#ifndef MUTANT_FAILED_DISK_IGNORED   /* safeguard: core/durable/failures.py Failures._not_durable, _needs_protection */
                if
                :: wrote_intent -> end_job(UNLOCK_ON_NOT_DURABLE, REFUSED)
                :: else
                fi;
                if
                :: transmits -> transmits = false; end_job(UNLOCK_ON_NOT_SENT, FAILED)
                :: else
                fi;
                sends = CHALLENGES;
#endif
                wrote_intent = false;
                advance()
           };
           goto finish
        fi
    :: else
    fi;
    if
    :: transmits ->
        if
        :: goto restart
#ifdef MUTANT_FRAME_LATE   /* safeguard: runtime/deadline.py time_left_s, called by runtime/transmitter.py Transmitter._send */
        :: atomic { frame(); transmits = false }
#else
        :: atomic { job_age <= LIMIT -> frame(); transmits = false }
#endif
        :: atomic {                              /* EffectFailed(TransmitUnlock): it has not happened, or came too late */
                transmits = false; end_job(UNLOCK_ON_NOT_SENT, FAILED); advance()
           };
           goto finish
        :: atomic {                              /* EffectFailed(TransmitUnlock): nobody knows */
                job_age <= LIMIT ->
                if
                :: frame()
                :: skip
                fi;
                job_doubtful = true; transmits = false;
                advance()
#ifdef MUTANT_SENT_AGAIN   /* safeguard: core/unlock/unlock.py Unlock.transmit_failed: doubt is never tried again */
                ; transmits = (unlock == UNLOCK_WAITING)
#endif
           };
           goto finish
        fi
    :: else
    fi;
    if
    :: sends != CHALLENGES ->
        if
        :: goto restart
        :: atomic {
                assert(!sent[sends]);            /* G8: one request message, at most one challenge */
                sent[sends] = true; evidence[sends] = true; sends = CHALLENGES
#ifdef MUTANT_CHALLENGES_DURABLE
                ; for (c : 0 .. CHALLENGES - 1) { d_live[c] = live[c] }
                c = 0
#endif
           }
        fi
    :: else
    fi;
    goto waiting;
restart:
    atomic {                                     /* all RAM is gone: core/durable/restore.py, then Core.start */
        for (c : 0 .. CHALLENGES - 1) {
#ifdef MUTANT_CHALLENGES_DURABLE   /* safeguard: core/verify/challenges.py: RAM only */
            live[c] = d_live[c]
#else
            live[c] = false; age[c] = 0
#endif
        }
        c = 0;
        for (r : 0 .. REQUESTS - 1) { r_outcome[r] = d_outcome[r] }
        r = 0;
        r_mark = d_mark; r_generation = d_generation; r_intent = d_intent; r_challenge = d_challenge;
        unsaved = false; transmits = false; sends = CHALLENGES; wrote_intent = false;
        job = 0; job_armed = false; job_doubtful = false; job_age = 0;
        unlock = UNLOCK_IDLE;
        writes = true;                           /* the event STARTED */
        if
        :: d_intent != NO_INTENT ->
            job = d_challenge; job_armed = armed_mode[request_of[job]];
            cut_off[request_of[job]] = true;
            unlock = (d_intent == IS_FIRING -> UNLOCK_FIRING : UNLOCK_ARMED);
#if defined(MUTANT_TRIED_AGAIN)   /* safeguard: core/unlock/unlock.py Unlock.start: firing ends as unknown */
            if
            :: d_intent == IS_ARMED -> end_job(UNLOCK_ON_RESTARTED, CANCELLED)
            :: else
            fi
#elif defined(MUTANT_ARMED_AGAIN)   /* safeguard: core/unlock/unlock.py Unlock.start: armed ends as cancelled */
            if
            :: d_intent == IS_FIRING -> end_job(UNLOCK_ON_RESTARTED, UNKNOWN)
            :: else
            fi
#elif defined(MUTANT_INTENT_FORGOTTEN)   /* safeguard: core/unlock/unlock.py Unlock.start settles what was cut off */
            unlock = UNLOCK_IDLE; job = 0; job_armed = false; r_intent = NO_INTENT; r_challenge = 0
#else
            end_job(UNLOCK_ON_RESTARTED, (d_intent == IS_FIRING -> UNKNOWN : CANCELLED))
#endif
        :: else
        fi
    };
    goto finish
}

/* Time passes whenever it likes, also while the disk or the bus is slow. */
active proctype time() {
    byte i;
    do
    :: atomic {
            for (i : 0 .. CHALLENGES - 1) {
                if
                :: (live[i]
#ifdef MUTANT_CHALLENGES_DURABLE
                    || d_live[i]
#endif
                   ) && age[i] <= TTL -> age[i]++
                :: else
                fi;
#ifdef OTHER_CLOCK
                if
                :: live[i] && seen_age[i] <= TTL -> seen_age[i]++
                :: else
                fi
#endif
            }
            i = 0;
            if
            :: unlock != UNLOCK_IDLE && job_age <= LIMIT -> job_age++
            :: else
            fi
       }
#ifdef MUTANT_WALL_CLOCK   /* safeguard: core/verify/challenges.py Outstanding.is_fresh on CLOCK_BOOTTIME (adapters/clock.py) */
    :: atomic { for (i : 0 .. CHALLENGES - 1) { seen_age[i] = 0 } i = 0 }
#endif
    od
}
