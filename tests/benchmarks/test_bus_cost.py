"""A frame's cost by frames sent and by frames noticed, and rounds that do not count."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from benchmarks import bus_cost
from benchmarks.bus_cost import Listened, compare, figures_of

SENT = 1000
OURS = Listened(sent=SENT, noticed=SENT, cpu_s=0.01)
"""10 us a frame."""
HALF_LOST = Listened(sent=SENT, noticed=SENT // 2, cpu_s=0.06)
"""60 us for each frame sent, 120 for each that was noticed."""


def test_losses_of_the_others_make_their_frames_dearer_and_are_told() -> None:
    found = {"ours": [OURS], "notifier": [HALF_LOST], "blocking": [OURS]}
    sent, noticed, plainest, _ = figures_of("x", found, target=8.0)
    assert (sent.value, noticed.value) == (10.0, 10.0)
    assert sent.ratio == pytest.approx(6.0)
    assert noticed.ratio == pytest.approx(12.0)
    assert sent.against is not None
    assert sent.against.endswith("which lost 50.0 %")
    assert plainest.against == "a blocking loop"


def test_the_target_is_held_against_what_flatters_less() -> None:
    found = {"ours": [OURS], "notifier": [HALF_LOST], "blocking": [OURS]}
    met = [(one.target, one.met) for one in figures_of("x", found, target=8.0)]
    assert met == [(8.0, False), (None, None), (None, None), (None, None)]


def listening(ours: Sequence[Listened], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let ours lose as given, one after the other; return what ways were asked."""
    asked: list[str] = []
    left = list(ours)

    def listened(way: str, *_: str, **__: bool) -> Listened:
        asked.append(way)
        return left.pop(0) if way == "ours" else HALF_LOST

    monkeypatch.setattr(bus_cost, "_listened", listened)
    return asked


LOSING = Listened(sent=SENT, noticed=SENT - 1, cpu_s=0.001)


def test_a_round_in_which_ours_lost_a_frame_is_played_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = listening([LOSING, OURS, OURS], monkeypatch)
    first = next(compare("virtual", "x", rounds=1, target=1.0))
    assert first.value == 10.0
    assert asked == ["ours", "ours", "notifier", "blocking"]


def test_who_always_loses_gets_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    listening([LOSING] * 3, monkeypatch)
    with pytest.raises(SystemExit, match="no fair figure"):
        next(compare("virtual", "x", rounds=1, target=1.0))
