"""Every target with bytes that Hypothesis spoils: decoded or refused as documented, and nothing else."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.catalogue import TARGETS

NAMES = sorted(TARGETS)
EVERY_PLACE = st.floats(0, 1, exclude_max=True)
AWKWARD = (
    b"\x00",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff" * 8,
    b"'",
    b'"',
    b"[",
    b"{",
    b"\n",
    b"9" * 30,
)


class PlantedError(Exception):
    """A bug that a test put there."""


@cache
def seeds_of(name: str) -> tuple[bytes, ...]:
    return tuple(TARGETS[name].seeds())


@st.composite
def spoilt(draw: st.DrawFn, name: str) -> bytes:
    """A seed with a few places cut out, overwritten, doubled, or taken from another seed."""
    data = bytearray(draw(st.sampled_from(seeds_of(name))))
    for _ in range(draw(st.integers(1, 4))):
        at = int(draw(EVERY_PLACE) * (len(data) + 1))
        length = draw(st.sampled_from([0, 1, 1, 2, 4, 16, 64]))
        match draw(st.sampled_from(["cut", "write", "put", "double", "flip", "end", "graft"])):
            case "cut":
                del data[at : at + length]
            case "write":
                data[at : at + length] = draw(st.binary(min_size=length, max_size=length))
            case "put":
                data[at:at] = draw(st.sampled_from(AWKWARD))
            case "double":
                data[at:at] = data[at : at + length]
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "end":
                del data[at:]
            case _:
                other = draw(st.sampled_from(seeds_of(name)))
                data[at:] = other[at:]
    return bytes(data[: TARGETS[name].max_bytes])


@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_spoilt_input_is_decoded_or_refused(name: str, data: st.DataObject) -> None:
    assert TARGETS[name].run(data.draw(spoilt(name))) in {True, False}


@pytest.mark.parametrize("name", NAMES)
def test_some_seed_is_good_and_empty_input_does_no_harm(name: str) -> None:
    """A target that refuses everything tests nothing."""
    target = TARGETS[name]
    assert any(target.run(seed) for seed in seeds_of(name)[:400])
    assert target.run(b"") in {True, False}


@pytest.mark.parametrize("name", NAMES)
def test_a_bug_behind_the_target_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = TARGETS[name]

    def planted(*_: object, **__: object) -> None:
        raise PlantedError

    good = next(seed for seed in seeds_of(name) if target.run(seed))
    monkeypatch.setattr(target.decoder, planted)
    with pytest.raises(PlantedError):
        target.run(good)
