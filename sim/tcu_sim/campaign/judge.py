"""What a campaign counts, and finds: each entry of a list is one thing that must never happen, in words.

1. double actuations: a grant with two unlock frames; a lock frame that no unlock frame before it covers;
2. replays accepted: an unlock frame in another life of the agent than its grant's, or without any; a request
   challenged twice; an account or trust version that goes down;
3. lost accepted events: a message in a dead agent's outbox, or a press that the lamp showed, that the centre has not
   got exactly once; a gap or a tombstone in the numbers;
4. positions after the stop time: the car stands somewhere else each second, so the place tells when it was taken;
5. intents without a reported outcome: found on a dead agent's disk, or behind a frame on the bus;
6. untrue: two results for one request, two messages under one number, `executed` without a frame that the car saw ...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from tcu_sim.bench.heard import Heard
from tcu_sim.campaign.evidence import Evidence, Grant
from tcu_sim.wire.numbers import Outcome, Service, Told

ALREADY_UNLOCKED = 97
"""Source: docs/protocol.md, "Reason codes"."""


@dataclass(slots=True, kw_only=True)
class Findings:
    """Each list must be empty."""

    double_actuations: list[str] = field(default_factory=list)
    replays_accepted: list[str] = field(default_factory=list)
    lost_events: list[str] = field(default_factory=list)
    late_positions: list[str] = field(default_factory=list)
    unreported_intents: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return all of it, each line headed by the name of its list."""
        return [
            f"{each.name.replace('_', ' ')}: {text}"
            for each in fields(self)
            for text in getattr(self, each.name)
        ]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not any(getattr(self, each.name) for each in fields(self))


def judge(seen: Evidence, heard: Heard) -> Findings:
    """Return all that is wrong with what was seen, after everything has had time to settle."""
    framed = dict(_frames_of_grants(seen))
    return Findings(
        double_actuations=[*_doubles(framed), *_orphaned_locks(seen)],
        replays_accepted=[*_frames_out_of_time(seen), *_rechallenged(seen), *_set_back(seen)],
        lost_events=[*_lost_messages(seen), *_lost_presses(seen, heard), *_gaps(seen)],
        late_positions=list(_late(seen)),
        unreported_intents=[*_unreported(seen, framed), *seen.leftovers],
        untrue=[*_contradictions(seen), *_untrue_results(seen, framed), *seen.unreadable],
    )


def _grant_before(seen: Evidence, at: float) -> Grant | None:
    """Return the last unlock grant before a time: the centre sends the next one after the end of the last."""
    return next((grant for grant in reversed(seen.grants) if grant.at <= at), None)


def _frames_of_grants(seen: Evidence) -> Iterator[tuple[bytes, list[float]]]:
    frames: dict[bytes, list[float]] = {}
    for command in seen.commands:
        grant = _grant_before(seen, command.at) if command.is_unlock else None
        if grant is not None:
            frames.setdefault(grant.request_id, []).append(command.at)
    yield from frames.items()


def _doubles(framed: dict[bytes, list[float]]) -> Iterator[str]:
    for request_id, frames in framed.items():
        if len(frames) > 1:
            times = ", ".join(f"{at:.3f}" for at in frames)
            yield f"request {request_id.hex()[:8]}: {len(frames)} unlock frames, at {times}"


def _orphaned_locks(seen: Evidence) -> Iterator[str]:
    may_lock = False
    for command in seen.commands:
        if not command.is_unlock and not may_lock:
            yield f"lock frame at {command.at:.3f} that no unlock frame covers"
        may_lock = command.is_unlock


def _frames_out_of_time(seen: Evidence) -> Iterator[str]:
    for command in seen.commands:
        if not command.is_unlock:
            continue
        grant, life = _grant_before(seen, command.at), seen.life_at(command.at)
        if grant is None or life is None:
            yield f"unlock frame at {command.at:.3f} without any grant"
        elif grant.life != life.number:
            yield f"unlock frame at {command.at:.3f} in life {life.number}, its grant is of life {grant.life}"


def _rechallenged(seen: Evidence) -> Iterator[str]:
    for request_id, nonces in seen.nonces.items():
        if len(nonces) > 1:
            yield f"request {request_id.hex()[:8]} was challenged {len(nonces)} times"


def _set_back(seen: Evidence) -> Iterator[str]:
    account = trust = 0
    for at, account_version, trust_version in seen.versions:
        if account_version < account or trust_version < trust:
            yield f"challenge at {at:.3f}: account {account_version}, trust {trust_version}: was {account}, {trust}"
        account, trust = max(account, account_version), max(trust, trust_version)


def _lost_messages(seen: Evidence) -> Iterator[str]:
    for (stream_id, seq), accepted in seen.accepted.items():
        if accepted.payload not in seen.stored.get((stream_id, seq), set()):
            yield f"message {seq} was on the disk when life {accepted.life} ended, and never came"


def _lost_presses(seen: Evidence, heard: Heard) -> Iterator[str]:
    told = [
        (event.boot_time_ms / 1000, event.incident_id)
        for event in heard.events.values()
        if event.kind == Told.ON_CALL_PRESSED
    ]
    for press in seen.presses:
        # The event carries the time of the step that made it, and that came before the lamp.
        incidents = {incident for at, incident in told if press.at <= at <= press.shown_at}
        if not 1 <= len(incidents) <= press.most:
            yield f"press at {press.at:.3f}: shown by the lamp, told {len(incidents)} times"


def _gaps(seen: Evidence) -> Iterator[str]:
    last = Counter[bytes]()
    for stream_id, seq in seen.stored:
        last[stream_id] = max(last[stream_id], seq)
    for stream_id, highest in last.items():
        for seq in range(1, highest + 1):
            if (stream_id, seq) not in seen.stored:
                yield f"message {seq} of {highest} never came"
    for seq in seen.tombstones:
        yield f"message {seq} is a tombstone"


def _late(seen: Evidence) -> Iterator[str]:
    for tracking in seen.trackings:
        mine = {seq: at for (case, seq), at in seen.places.items() if case == tracking.case_id}
        for seq, at in mine.items():
            if at is not None and at > tracking.until:
                yield f"position {seq} was taken {at - tracking.until:.0f} s after the stop time"
        starts = sum(tracking.at <= life.began_at <= tracking.until for life in seen.lives)
        if len(mine) > tracking.most + starts:
            yield f"{len(mine)} positions of one tracking, {tracking.most} and {starts} restarts allow less"


def _unreported(seen: Evidence, framed: dict[bytes, list[float]]) -> Iterator[str]:
    for request_id, life in seen.intents.items():
        if request_id not in seen.results:
            yield f"request {request_id.hex()[:8]}: intent on the disk after life {life}, no result"
    for request_id, frames in framed.items():
        if request_id not in seen.results:
            yield f"request {request_id.hex()[:8]}: unlock frame at {frames[0]:.3f}, no result"


def _contradictions(seen: Evidence) -> Iterator[str]:
    for (_, seq), payloads in seen.stored.items():
        if len(payloads) > 1:
            yield f"{len(payloads)} different messages under number {seq}"
    for request_id, payloads in seen.results.items():
        if len(payloads) > 1:
            yield f"{len(payloads)} different results for request {request_id.hex()[:8]}"


def _untrue_results(seen: Evidence, framed: dict[bytes, list[float]]) -> Iterator[str]:
    for request_id, result in seen.outcomes.items():
        if result.service is not Service.UNLOCK:
            continue
        has_frame = request_id in framed
        was_open = result.reason == ALREADY_UNLOCKED
        if result.outcome is Outcome.EXECUTED and not has_frame and not was_open:
            yield f"request {request_id.hex()[:8]}: executed, and no frame was on the bus"
        if result.outcome is Outcome.CANCELLED and has_frame:
            yield f"request {request_id.hex()[:8]}: nothing moved, it says, but a frame was on the bus"
