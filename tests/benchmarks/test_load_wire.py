"""What the bus at its limit consists of."""

from __future__ import annotations

import pytest
from benchmarks.load_wire import Kind, full_bus

SECONDS = 5.0
WANTED = frozenset({(768, False), (769, False)})
CLASSIC_BYTES, FD_BYTES = 16, 72
"""Of struct can_frame and struct canfd_frame. Source: Linux include/uapi/linux/can.h."""


@pytest.mark.parametrize(
    ("kind", "share", "size"),
    [
        (Kind.STRANGERS, 0.0, CLASSIC_BYTES),
        (Kind.MAPPED, 1.0, CLASSIC_BYTES),
        (Kind.FD, 0.0, FD_BYTES),
        (Kind.FD_MAPPED, 1.0, FD_BYTES),
    ],
)
def test_the_gaps_are_full_of_what_the_kind_says(kind: Kind, share: float, size: int) -> None:
    sent = full_bus(seconds=SECONDS, wanted=WANTED, kind=kind, seed=1)
    assert len(sent) / SECONDS > 3500 * (2 if kind is Kind.FD else 1)
    wanted = sum(each.is_wanted for each in sent) / len(sent)
    assert wanted == pytest.approx(share, abs=0.03)
    sizes = [len(each.raw) for each in sent]
    assert sizes.count(size) / len(sizes) == pytest.approx(1.0, abs=0.03)
