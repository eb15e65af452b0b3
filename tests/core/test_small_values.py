"""Values of the core that other rooms read: what they show of themselves, and what they say when little is known."""

import pytest

from tcu_agent.core import vss
from tcu_agent.core.events import SignalChange
from tcu_agent.core.reports.classes import OutboxBounds, OutboxClass
from tcu_agent.core.vehicle import Change


@pytest.mark.parametrize("path", [vss.LATITUDE, vss.LONGITUDE])
def test_a_place_stands_in_no_repr(path: str) -> None:
    seen = repr(SignalChange(path, 48.1371, 5.0)) + repr(Change(path, 48.1371, 11.5754, 5.0))
    assert "a place" in seen
    assert "48" not in seen
    assert "11" not in seen


def test_what_is_no_place_is_shown() -> None:
    assert repr(SignalChange(vss.ALARM, "triggered", 5.0)) == (
        f"SignalChange({vss.ALARM!r}, 'triggered', at=5.0)"
    )
    assert repr(Change(vss.LATITUDE, None, None, 5.0)) == (
        f"Change({vss.LATITUDE!r}, None -> None, at=5.0)"
    )


def test_each_protected_class_has_the_same_share_and_telemetry_its_own() -> None:
    bounds = OutboxBounds(telemetry_bytes=7, protected_bytes=11)
    assert {of: bounds.bytes_of(of) for of in OutboxClass} == {
        OutboxClass.ON_CALL: 11,
        OutboxClass.DEED: 11,
        OutboxClass.SECURITY: 11,
        OutboxClass.TELEMETRY: 7,
    }
