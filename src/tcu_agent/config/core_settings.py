"""The settings that belong to the core's decisions: ranges and defaults stand in core.settings alone."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from tcu_agent.config.table import Table
from tcu_agent.core import vss
from tcu_agent.core.settings import CoreSettings
from tcu_agent.errors import BadInput
from tcu_agent.protocol.vocabulary import Relock, Service

NUMBERS_OF_SECTION = {
    "unlock": (
        "challenge_ttl_s",
        "challenges_max",
        "status_timeout_s",
        "fresh_timeout_s",
        "fresh_s",
        "relock_after_s",
        "armed_window_min_s",
        "armed_window_max_s",
        "outcomes_kept",
    ),
    "on_call": ("press_ms", "hang_up_s", "stuck_s", "connect_timeout_s", "call_shown_s"),
    "availability": (
        "listen_for_s",
        "wake_every_s",
        "visit_for_s",
        "wake_for_s",
        "unlock_for_s",
    ),
    "theft": ("theft_notice_after_s", "tow_distance_m"),
    "position": ("tracking_interval_min_s", "tracking_duration_max_s", "snapshot_wait_s"),
}
_DEFAULTS: dict[str, Any] = {
    each.name: each.default for each in fields(CoreSettings) if each.default is not MISSING
}
_ANY = 2**63
"""No whole number of TOML is larger; the ranges are the core's."""
_VEHICLE_ID = "[A-Za-z0-9_-]{1,32}"  # docs/protocol.cddl, vehicle-id
_ENVIRONMENT = ".{1,32}"  # docs/protocol.cddl, external_aad


def read_core_settings(
    top: Table, *, roots: tuple[bytes, ...], threshold: int
) -> CoreSettings | None:
    """Return the core's settings, or None after noting why not."""
    sections = {name: top.table(name) for name in NUMBERS_OF_SECTION}
    values = _numbers(sections) | _words(top.table("vehicle"), sections["unlock"])
    for section in sections.values():
        section.finish()
    return _judged(values | {"roots": roots, "root_threshold": threshold}, sections)


def _judged(values: dict[str, Any], sections: dict[str, Table]) -> CoreSettings | None:
    """The core tells one mistake at a time, so each one told is replaced by its default, and the rest judged again."""
    has_mistakes = False
    while True:
        try:
            settings = CoreSettings(**values)
        except BadInput as error:
            _blame(error, sections)
            name, has_mistakes = error.where, True
            if name not in _DEFAULTS or values.get(name) == _DEFAULTS[name]:
                return None
            values = values | {name: _DEFAULTS[name]}
        else:
            return None if has_mistakes else settings


def _numbers(sections: dict[str, Table]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for section, names in NUMBERS_OF_SECTION.items():
        for name in names:
            default = _DEFAULTS[name]
            if isinstance(default, int):
                values[name] = sections[section].integer(name, default, low=-_ANY, high=_ANY)
            else:
                values[name] = sections[section].number(name, default)
    return values


def _words(vehicle: Table, unlock: Table) -> dict[str, Any]:
    services = {each.name.lower().replace("_", "-"): each for each in Service}
    relocks = {each.name.lower(): each for each in Relock}
    values = {
        "vehicle_id": vehicle.text("id", pattern=_VEHICLE_ID),
        "environment": vehicle.text("environment", pattern=_ENVIRONMENT),
        "services": frozenset(
            services[name]
            for name in vehicle.texts("services", tuple(services), choices=services)
            if name in services
        ),
        "unlock_modes": frozenset(
            unlock.texts("usage_modes", tuple(_DEFAULTS["unlock_modes"]), choices=vss.PARKED_MODES)
        )
        & set(vss.PARKED_MODES),
        "relock": relocks.get(
            unlock.text("relock", _DEFAULTS["relock"].name.lower(), choices=relocks), Relock.AGENT
        ),
    }
    vehicle.finish()
    return values


def _blame(error: BadInput, sections: dict[str, Table]) -> None:
    for section, names in NUMBERS_OF_SECTION.items():
        if error.where in names:
            sections[section].problem(error.where, error.what, error.hint)
            return
    sections["unlock"].problem(error.where, error.what, error.hint)
