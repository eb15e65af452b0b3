/* Only with the PIN: what evidence must say, against an attacker who owns the network and one stolen key.
 *
 * The attacker is the broker and the network: he knows every message, delivers, withholds and repeats at will. He owns
 * another car with its key and its own PIN, so he gets evidence for that car as he likes and signs any challenge in its
 * name. STOLEN says which key he has besides: 0 none, 1 command, 2 PIN authority, 3 theft desk; never two of them.
 * The centre: the operator opens requests, the owner gives his PIN for exactly one (vehicle, service, parameters,
 * request id), the PIN authority (sim/tcu_sim/centre/pin/evidence.py, proof.py) and the theft desk sign over a challenge.
 * Evidence goes from the authority to the command service on a channel of their own: a stolen KEY is modelled, not a
 * stolen process.
 * The car is core/verify/verifier.py with steps.py and challenges.py; what happens after acceptance is at_most_once.pml.
 *
 * What a request asks for is one number, KINDS = (service, parameters): unlock direct and armed, snapshot and tracking.
 * A hash is the number of the very challenge it was made of. Bounds and abstractions: formal/README.md.
 */
#ifndef STOLEN
#define STOLEN 0
#endif
#ifndef REQUESTS
#define REQUESTS 2
#endif
#ifndef CHALLENGES
#define CHALLENGES 2
#endif
#define COMMAND 1
#define PIN_AUTHORITY 2
#define THEFT_DESK 3
#ifdef MUTANT_ROLE   /* safeguard: core/verify/steps.py SIGNERS, Reader._verified E4: any key of the bundle would do */
#define MAY_SIGN(role) (STOLEN != 0)
#else
#define MAY_SIGN(role) (STOLEN == role)
#endif

#define DIRECT 0
#define ARMED 1
#define SNAPSHOT 2
#define TRACKING 3
#define NO_KIND 4
#define SERVICE(kind) ((kind) / 2)
#define IS_POSITION(kind) ((kind) >= SNAPSHOT)

/* ---- our car */
bool live[CHALLENGES];
byte kind_of[CHALLENGES], request_of[CHALLENGES];
bool boot_of[CHALLENGES], generation_of[CHALLENGES];
byte made;                         /* challenges so far; the first has number 0 */
bool boot, generation;             /* of the car now */
#ifdef NONCES_REPEAT               /* a random generator that starts anew at each boot: nonces count within a boot */
byte nonce_of[CHALLENGES], drawn;
#define NONCE(x) nonce_of[x]
#else
#define NONCE(x) (x)
#endif

/* ---- the centre */
byte asked[REQUESTS] = NO_KIND;    /* the operator's requests for our car, signed with the command key */
bool case_open[REQUESTS];          /* the theft desk has a case for this request, with these parameters */
bool pin_given[REQUESTS];          /* PIN sessions: the owner gave his PIN for this request, as it was asked */
bool pin_generation[REQUESTS];     /* under which generation */
bool newest;                       /* the generation that the authorities know */

/* ---- what was signed; the network knows it all. One item for each challenge and kind of forgery. */
bool evidence[CHALLENGES];         /* the PIN authority's over this challenge of our car */
bool under[CHALLENGES];            /* the generation that it knew then */
bool never_made[CHALLENGES];       /* its evidence over a challenge with these common fields that our car never made */
bool approved[CHALLENGES];         /* the theft desk's approval over this challenge */

#define OF_OURS 0                  /* which evidence a grant carries: over challenge x of our car; */
#define OF_OTHER 1                 /*   over one of the attacker's own car that says what x says; */
#define OF_NEVER_MADE 2            /*   over one that nobody signed; */
#define OF_FORGERY 3               /*   signed by the attacker himself, with the fields that fit best */

byte c, r, k, x, a, over;          /* scratch, 0 between steps */
bool good, forged_approval;

c_decl {                           /* tells once that grants of each kind are accepted at all */
    static void accepted_once(int kind)
    {
        static int told[4];
        if (!told[kind]++) printf("row accepted: kind %d\n", kind);
    }
}

active proctype everything() {
    do
    /* ---------------------------------------------------------------- operator, owner, theft desk, account service */
    :: atomic {
            select(r : 0 .. REQUESTS - 1); select(k : 0 .. 3);
            if
            :: asked[r] == NO_KIND ->
                asked[r] = k;
                if
                :: IS_POSITION(k) -> case_open[r] = true
                :: skip
                fi
            :: else
            fi;
            k = 0; r = 0
       }
    :: atomic {   /* the owner gives the PIN for what the operator asks */
            select(r : 0 .. REQUESTS - 1);
            if
            :: asked[r] != NO_KIND && !pin_given[r] -> pin_given[r] = true; pin_generation[r] = newest
            :: else
            fi;
            r = 0
       }
    :: atomic { !newest -> newest = true }             /* the PIN is replaced */
    :: atomic { newest && !generation ->               /* the car learns of it (or never) */
            generation = true;
#if !defined(MUTANT_GENERATION) && !defined(PEER_NO_CLEAR)   /* core/account.py Adopter.account */
            for (x : 0 .. CHALLENGES - 1) { live[x] = false }
            x = 0
#endif
       }
    /* ---------------------------------------------------------------- the PIN authority: centre/pin/evidence.py */
    :: atomic {   /* asked with a request (k, r) of our car and the challenge c of our car */
            select(c : 0 .. CHALLENGES - 1); select(r : 0 .. REQUESTS - 1); select(k : 0 .. 3);
            if
            :: (c < made && !evidence[c]
                && (asked[r] == k || STOLEN == COMMAND)        /* the request is signed with a command key */
                && pin_given[r] && pin_generation[r] == newest /* the session's PIN was not replaced since */
#ifndef MUTANT_PIN_PARAMETERS   /* centre/pin/evidence.py EvidenceDesk._session, centre/proof.py subject_of */
                && asked[r] == k                               /* the session is for exactly this request */
#endif
#ifndef MUTANT_PIN_REQUEST_HASH   /* centre/proof.py _is_answer */
                && kind_of[c] == k && request_of[c] == r       /* the challenge answers this very request */
#endif
#ifndef MUTANT_PIN_BEHIND   /* centre/standing.py Standing.check */
                && generation_of[c] == newest                  /* the car has learnt all there is to know */
#endif
               ) -> evidence[c] = true; under[c] = newest
            :: else
            fi;
            c = 0; r = 0; k = 0
       }
#ifdef MUTANT_PIN_VEHICLE   /* safeguard: centre/proof.py open_asked: the challenge is of the request's vehicle */
    :: atomic {   /* asked with a request of the attacker's car, whose PIN he has, and the challenge c of our car */
            select(c : 0 .. CHALLENGES - 1);
            if
            :: c < made && !evidence[c] -> evidence[c] = true; under[c] = newest
            :: else
            fi;
            c = 0
       }
#endif
#if defined(PEER_PIN_SIGNATURE)   /* centre/proof.py open_asked: the challenge is signed by the vehicle */
    :: atomic {   /* asked with the true request, and a challenge with the common fields of c that nobody signed */
            select(c : 0 .. CHALLENGES - 1);
            if
            :: (c < made && pin_given[request_of[c]] && pin_generation[request_of[c]] == newest
                && SERVICE(asked[request_of[c]]) == SERVICE(kind_of[c])) -> never_made[c] = true
            :: else
            fi;
            c = 0
       }
#endif
    /* ---------------------------------------------------------------- the theft desk: centre/desk/approvals.py */
    :: atomic {
            select(c : 0 .. CHALLENGES - 1);
            if
            :: (c < made && IS_POSITION(kind_of[c]) && case_open[request_of[c]] && generation_of[c] == newest
                && asked[request_of[c]] == kind_of[c]) -> approved[c] = true
            :: else
            fi;
            c = 0
       }
    /* ---------------------------------------------------------------- our car */
    :: atomic {   /* a request; only one that is signed with a command key gets a challenge */
            select(r : 0 .. REQUESTS - 1); select(k : 0 .. 3);
            if
            :: made < CHALLENGES && (asked[r] == k || MAY_SIGN(COMMAND)) ->
                live[made] = true; kind_of[made] = k; request_of[made] = r; boot_of[made] = boot;
                generation_of[made] = generation;
#ifdef NONCES_REPEAT
                nonce_of[made] = drawn; drawn++;
#endif
                made++
            :: else
            fi;
            r = 0; k = 0
       }
    :: atomic {   /* a restart: challenges are in RAM only */
            !boot -> boot = true;
#ifdef NONCES_REPEAT
            drawn = 0;
#endif
            for (x : 0 .. CHALLENGES - 1) { live[x] = false }
            x = 0
       }
    :: atomic {   /* a grant for challenge c, with the evidence and the approval that the attacker chooses */
            select(c : 0 .. CHALLENGES - 1);
            if
            :: live[c] ->
                select(x : 0 .. CHALLENGES - 1); select(over : 0 .. 3); select(k : 0 .. 3);
                if
                :: IS_POSITION(kind_of[c]) -> select(a : 0 .. CHALLENGES)
                :: else
                fi
            :: else
            fi;
            forged_approval = (a == CHALLENGES && MAY_SIGN(THEFT_DESK));
            good = (live[c] && x < made
                /* the grant is signed by the attacker, or it is the command service's own: for its own request, */
                /* with the evidence that the PIN authority gave it for that, and the parameters of its request  */
                && (MAY_SIGN(COMMAND)
                    || (over == OF_OURS && k == asked[request_of[x]] && kind_of[x] == asked[request_of[x]] && x == c))
                /* there is such evidence */
                && ((over == OF_OURS && evidence[x]) || over == OF_OTHER || (over == OF_NEVER_MADE && never_made[x])
                    || (over == OF_FORGERY && MAY_SIGN(PIN_AUTHORITY)))
                /* ---- from here on the car's judgement: core/verify/verifier.py Verifier.verify_grant */
                && SERVICE(k) == SERVICE(kind_of[c])           /* 4a: the grant's service is that of its parameters */
#ifndef MUTANT_VEHICLE   /* core/verify/steps.py Reader.open */
                && over != OF_OTHER                              /* E6 of the evidence: our vehicle id */
#endif
                && (over == OF_FORGERY                           /* 4b: check_common and the hash */
                    || (SERVICE(kind_of[x]) == SERVICE(kind_of[c])
                        && request_of[x] == request_of[c]
#ifndef MUTANT_BOOT_ID   /* core/verify/steps.py check_common */
                        && boot_of[x] == boot_of[c]
#endif
#ifndef MUTANT_NONCE   /* core/verify/steps.py check_common */
                        && NONCE(x) == NONCE(c)
#endif
#if !defined(MUTANT_HASH) && !defined(PEER_NO_HASH)   /* core/verify/steps.py check_evidence, _check_hash */
                        && over == OF_OURS && x == c
#endif
                       ))
#ifndef MUTANT_APPROVAL   /* core/verify/verifier.py Verifier._nested */
                && (!IS_POSITION(kind_of[c]) || forged_approval
                    || (a < CHALLENGES && approved[a % CHALLENGES]
#ifndef MUTANT_APPROVAL_BOUND   /* core/verify/steps.py check_approval */
                        && a == c
#endif
                       ))
#endif
#ifndef MUTANT_PARAMETERS   /* core/verify/steps.py check_parameters */
                && k == kind_of[c]                             /* 4d */
#endif
#if !defined(MUTANT_GENERATION) && !defined(PEER_NO_STANDING)   /* core/verify/steps.py check_standing */
                && generation_of[c] == generation              /* 4e */
#endif
                );
            if
            :: good ->
                live[c] = false;                               /* 6 */
                /* G1: the owner gave the PIN of this car for this service, this request, these parameters ... */
                assert(pin_given[request_of[c]] && asked[request_of[c]] == k);
                /* ... and the authority's evidence is over this very challenge, not one before it or beside it */
                assert(over == OF_OURS && x == c);
                /* a position: the theft desk's approval too, for this challenge; unless its key is the stolen one */
                assert(!IS_POSITION(k) || STOLEN == THEFT_DESK || approved[c]);
                /* G6: nothing from before a change that the car has learnt; no evidence for a car that has not */
                assert(generation_of[c] == generation);
                assert(under[x] == generation_of[c]);
                c_code { accepted_once(now.k); }
            :: else
            fi;
            c = 0; k = 0; a = 0; x = 0; over = 0; good = false; forged_approval = false
       }
    od
}
