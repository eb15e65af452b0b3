"""Which values the paths that the agent acts on can have: any other would be decoded and then never understood.

A lock that is "yes" is neither locked nor unlocked to the core; the car would lose its locks with nothing said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tcu_agent.adapters.mapping.toml_table import Table, near_miss
from tcu_agent.core import vss
from tcu_agent.core.events import Value

BOOLEANS = frozenset({vss.ON_CALL_BUTTON, vss.PLATE, *vss.DOOR_LOCKS, *vss.DOORS_OPEN})
NUMBERS = frozenset(
    {
        vss.SPEED_KMH,
        vss.LATITUDE,
        vss.LONGITUDE,
        vss.HEADING,
        vss.ACCURACY_M,
        vss.FIX_AGE_S,
    }
)
_AUGMENTED = (
    "",
    "_SATELLITE_BASED_AUGMENTATION",
    "_GROUND_BASED_AUGMENTATION",
    "_SATELLITE_AND_GROUND_BASED_AUGMENTATION",
)
WORDS: Mapping[str, tuple[str, ...]] = {
    vss.USAGE_MODE: vss.USAGE_MODES,
    vss.ALARM: ("off", "armed", "triggered"),
    vss.CENTRAL_LOCKING_RESPONSE: ("idle", "busy", "done", "refused", "authentication-failed"),
    vss.LOCKING_SOURCE: ("none", "key", "inside-button", "remote-command", "automatic"),
    vss.FIX_TYPE: ("NONE", *(f"{axes}{by}" for axes in ("TWO_D", "THREE_D") for by in _AUGMENTED)),
}
"""Source: dbc/tcu_overlay.vspec; for the type of the fix COVESA VSS, CurrentLocation.GNSSReceiver.FixType."""


def check_value(table: Table, key: str, path: str, value: Value) -> None:
    """Refuse a value that the path cannot have. None was refused before."""
    if value is None:
        return
    if path in BOOLEANS and not isinstance(value, bool):
        table.problem(key, f"{path} is true or false, not {_shown(value)}")
    elif path in NUMBERS and isinstance(value, bool | str):
        table.problem(key, f"{path} is a number, not {_shown(value)}")
    elif path in WORDS and value not in WORDS[path]:
        choices = WORDS[path]
        hint = near_miss(value, choices) if isinstance(value, str) else ""
        what = f"{path} cannot be {_shown(value)}; it is one of {', '.join(choices)}"
        table.problem(key, what, hint)


def check_choices(table: Table, path: str, values: Collection[Value] | None) -> None:
    """Refuse a path without `values` that is no number, and one of two values that would always have the same."""
    if values is None and path in BOOLEANS | WORDS.keys():
        hint = "such as values = { " + _example(path) + " }, by names of the DBC or raw numbers"
        table.problem("values", f"key 'values' is missing: {path} is no number", hint)
    if values is None or path not in BOOLEANS or not all(type(v) is bool for v in values):
        return
    for wanted in (True, False):
        if wanted not in values:
            what = f"no choice means {_shown(wanted)}: {path} needs one for each of true and false"
            table.problem("values", what)


def _example(path: str) -> str:
    meanings = WORDS.get(path) or ("false", "true")
    quote = '"' if path in WORDS else ""
    return ", ".join(f"{raw} = {quote}{meaning}{quote}" for raw, meaning in enumerate(meanings[:2]))


def _shown(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
