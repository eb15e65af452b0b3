"""The parameters of a request, which its grant repeats: four forms, chosen by the service."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_sim.wire import fields as f
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.numbers import Kind, Mode, Service

USER_ID = f.text(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """State and end of subscription need no parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlock:
    """`window_s` (10..1800) with armed alone."""

    mode: Mode = f.at(0, f.one_of(Mode))
    window_s: int | None = f.at(1, f.uint(1800, 10), optional=True)

    def __post_init__(self) -> None:
        """Refuse a window without armed, and armed without one."""
        if (self.mode is Mode.ARMED) != (self.window_s is not None):
            raise WireError("a window belongs to armed, and only there")


@dataclass(frozen=True, slots=True, kw_only=True)
class Locate:
    """`interval_s` (5..3600) and `duration_s` (10..604800) with tracking alone."""

    kind: Kind = f.at(0, f.one_of(Kind))
    interval_s: int | None = f.at(1, f.uint(3600, 5), optional=True)
    duration_s: int | None = f.at(2, f.uint(604_800, 10), optional=True)

    def __post_init__(self) -> None:
        """Refuse times with a snapshot, and tracking without both."""
        given = {self.interval_s is not None, self.duration_s is not None}
        if given != {self.kind is Kind.TRACKING}:
            raise WireError("interval and duration belong to tracking, and only there")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """The user to link or to add."""

    user_id: str = f.at(0, USER_ID)


Parameters = Nothing | Unlock | Locate | User
FORMS: dict[Service, type[Nothing | Unlock | Locate | User]] = {
    Service.STATE: Nothing,
    Service.APP_LINK: User,
    Service.UNLOCK: Unlock,
    Service.POSITION: Locate,
    Service.ADD_USER: User,
    Service.END_SUBSCRIPTION: Nothing,
}


def _read(value: object, whole: f.Wire) -> Parameters:
    try:
        form = FORMS[Service(whole.get(1))]  # type: ignore[arg-type]  # ValueError says it is none
    except ValueError as error:
        raise WireError("parameters of an unknown service") from error
    return f.unpack(form, value)


PARAMETERS = f.Kind(_read, f.pack)
