"""What an integrator may set about the core's decisions; every value with its unit and its range."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcu_agent.core import vss
from tcu_agent.errors import BadInput, MalformedError
from tcu_agent.protocol.trust import root_keys
from tcu_agent.protocol.vocabulary import Relock, Service

_RANGES: dict[str, tuple[float, float]] = {
    "challenge_ttl_s": (1, 120),  # docs/protocol.cddl, challenge
    "press_ms": (20, 1000),
    "hang_up_s": (1, 8),
    "stuck_s": (9, 60),  # above hang_up_s, so that hanging up never looks like a fault
    "connect_timeout_s": (10, 600),
    "call_shown_s": (1, 30),
    "status_timeout_s": (1, 30),
    "fresh_timeout_s": (1, 120),
    "fresh_s": (0.2, 10),
    "relock_after_s": (10, 600),
    "armed_window_min_s": (10, 1800),  # docs/protocol.cddl, unlock-parameters
    "armed_window_max_s": (10, 1800),
    "tracking_interval_min_s": (5, 3600),  # docs/protocol.cddl, position-parameters
    "tracking_duration_max_s": (10, 604_800),
    "snapshot_wait_s": (1, 120),
    "theft_notice_after_s": (0, 600),
    "tow_distance_m": (20, 10_000),
    "listen_for_s": (60, 5_184_000),
    "wake_every_s": (60, 604_800),
    "visit_for_s": (10, 3600),
    "wake_for_s": (0, 15_552_000),
    "unlock_for_s": (60, 15_552_000),
    "outcomes_kept": (1, 1024),
    "challenges_max": (1, 16),
    "root_threshold": (2, 8),  # docs/protocol.cddl, trust-container
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreSettings:
    """Limits and times of the core.

    Raises:
        BadInput: a value is outside its range, or the car lacks what a service needs; names the field.
    """

    vehicle_id: str
    """Opaque id, 1..32 of A-Z a-z 0-9 _ -; never the VIN."""
    environment: str
    """Such as ``production`` or ``bench``; messages of another environment never verify."""
    services: frozenset[Service] = frozenset(Service)
    """What this car offers; anything else is refused with ``service-not-available``."""
    locks: tuple[str, ...] = vss.DOOR_LOCKS
    """Lock status paths that the mapping has, a subset of `vss.DOOR_LOCKS`: what an unlock's result is read from."""
    reported: tuple[str, ...] = vss.REPORTED
    """Paths that this car has and reports, a subset of `vss.REPORTED`."""
    has_locking_source: bool = True
    """Whether the car says what moved its locks last (`vss.LOCKING_SOURCE`)."""
    unlock_modes: frozenset[str] = frozenset({"abandoned", "inactive"})
    """Usage modes in which a remote unlock is allowed, a subset of `vss.PARKED_MODES`."""
    relock: Relock = Relock.AGENT
    """Who locks again when nobody opens a door."""
    challenge_ttl_s: int = 30
    challenges_max: int = 4
    """Challenges outstanding at once; a live one is never evicted."""
    press_ms: int = 100
    """How long ON CALL must be pressed without a break."""
    hang_up_s: float = 2.0
    stuck_s: float = 10.0
    """Still pressed after this: the button is reported faulty."""
    connect_timeout_s: float = 60.0
    """From the press to the connected call."""
    call_shown_s: float = 5.0
    """How long the lamp shows that a call has failed or ended."""
    status_timeout_s: float = 5.0
    """How long to wait for the lock status after a frame."""
    fresh_timeout_s: float = 10.0
    """How long to wait for fresh signals (of a bus that was woken), within the grant's own time."""
    fresh_s: float = 2.0
    """A signal seen within this time is fresh. Must cover the slowest cycle time of speed, usage mode and locks."""
    relock_after_s: float = 120.0
    armed_window_min_s: int = 10
    armed_window_max_s: int = 1800
    tracking_interval_min_s: int = 5
    tracking_duration_max_s: int = 604_800
    snapshot_wait_s: float = 20.0
    """How long a snapshot waits for a fix, within the grant's own time."""
    listen_for_s: float = 432_000.0
    """How long a parked car is always reachable: 5 days."""
    wake_every_s: float = 3600.0
    """After that: how long from one wake-up to the next."""
    visit_for_s: float = 120.0
    """How long a wake-up lasts, if nothing that goes on makes it longer."""
    wake_for_s: float = 1_468_800.0
    """For how long it wakes up so: 17 days."""
    unlock_for_s: float = 432_000.0
    """How long after parking a remote unlock may be asked for: 5 days."""
    theft_notice_after_s: float = 30.0
    """From the alarm to the theft notification; switched off with the key before, nothing is told."""
    tow_distance_m: float = 100.0
    """How far a locked car must have moved, beyond its fixes' inaccuracy, to count as towed."""
    outcomes_kept: int = 64
    """Results kept for a grant that is sent again."""
    roots: tuple[bytes, ...] = field(default=())
    """Public root keys (33 bytes P-256 compressed or 32 bytes Ed25519 each) that sign the trust bundle."""
    root_threshold: int = 2

    def __post_init__(self) -> None:
        """Check every range."""
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise BadInput(f"{value} is not in {low}..{high}", where=name)
        self._check_subset("locks", set(self.locks), set(vss.DOOR_LOCKS))
        self._check_subset("reported", set(self.reported), set(vss.REPORTED))
        self._check_subset("unlock_modes", set(self.unlock_modes), set(vss.PARKED_MODES))
        if Service.UNLOCK in self.services and not self.locks:
            raise BadInput("unlock is offered, but no lock status is mapped", where="locks")
        if self.armed_window_min_s > self.armed_window_max_s:
            raise BadInput("is above armed_window_max_s", where="armed_window_min_s")

        if self.relock is Relock.AGENT and Service.UNLOCK in self.services and not self.doors:
            raise BadInput("the agent can lock again only where doors are mapped", where="relock")
        self._check_roots()

    @property
    def doors(self) -> tuple[str, ...]:
        """Paths that show whether a door is open."""
        return tuple(path for path in vss.DOORS_OPEN if path in self.reported)

    def _check_roots(self) -> None:
        try:
            root_keys(self.roots)
        except MalformedError as error:
            raise BadInput(str(error), where="roots") from error

    @staticmethod
    def _check_subset(name: str, given: set[str], allowed: set[str]) -> None:
        if extra := given - allowed:
            raise BadInput(f"the core does not know {sorted(extra)}", where=name)
