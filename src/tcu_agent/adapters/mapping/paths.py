"""What a mapping's VSS paths mean to the agent: a misspelt one would else be decoded and never acted on, in silence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from tcu_agent.core import vss

ACTED_ON = (
    vss.ON_CALL_BUTTON,
    *vss.DOOR_LOCKS,
    *vss.DOORS_OPEN,
    vss.SPEED_KMH,
    vss.USAGE_MODE,
    vss.CENTRAL_LOCKING_RESPONSE,
    vss.LOCKING_SOURCE,
    vss.PLATE,
    vss.ALARM,
    *vss.POSITION_PATHS,
    vss.FIX_AGE_S,
)
"""All paths that the agent acts on; dbc/README.md says what for. Any other may be mapped, and is only printed."""
_SIMILAR = 0.75
"""Of one part of a path; "Sped" for "Speed" is 0.89, "IsChildLockActive" for "IsLocked" 0.48."""


def path_warnings(paths: Iterable[str]) -> tuple[str, ...]:
    """Return what is probably meant otherwise, and what a car without these paths cannot do."""
    mapped = tuple(paths)
    return (*_misspelt(mapped), *_unmapped(mapped))


def _misspelt(mapped: tuple[str, ...]) -> Iterator[str]:
    for path in mapped:
        if path not in ACTED_ON and (meant := next(_meant(path), None)) is not None:
            yield f"the agent does not act on {path}: did you mean {meant!r}?"


def _meant(path: str) -> Iterator[str]:
    near = difflib.get_close_matches(path, ACTED_ON, n=len(ACTED_ON), cutoff=_SIMILAR)
    return (known for known in near if _is_near(path.split("."), known.split(".")))


def _is_near(written: list[str], known: list[str]) -> bool:
    if len(written) == len(known) - 1:  # a part is left out; one more part is a path of its own
        return any(known[:at] + known[at + 1 :] == written for at in range(len(known)))
    return len(written) == len(known) and all(map(_is_same_part, written, known))


def _is_same_part(written: str, known: str) -> bool:
    # Row3 is another door than Row2, and no slip.
    if [each for each in written if each.isdigit()] != [each for each in known if each.isdigit()]:
        return False
    one, other = written.lower(), known.lower()
    return difflib.SequenceMatcher(None, one, other).ratio() >= _SIMILAR


def _unmapped(mapped: tuple[str, ...]) -> Iterator[str]:
    if vss.ON_CALL_BUTTON not in mapped:
        yield f"ON CALL button not mapped ({vss.ON_CALL_BUTTON}): no calls"
    if not any(path in mapped for path in vss.DOOR_LOCKS):
        yield f"no lock mapped (such as {vss.DOOR_LOCKS[0]}): no remote unlock, no lock state for the centre"
    if not any(path in mapped for path in vss.DOORS_OPEN):
        yield f"no door mapped (such as {vss.DOORS_OPEN[0]}): the agent cannot lock again after an unlock"
    for path in (vss.SPEED_KMH, vss.USAGE_MODE):
        if path not in mapped:
            yield f"{path} not mapped: no remote unlock, no locking again, each request ends with signals-unknown"
    for path in (vss.LATITUDE, vss.LONGITUDE):
        if path not in mapped:
            yield f"{path} not mapped: no position"
