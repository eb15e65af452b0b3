"""Debounce against a model that looks at the whole history instead of keeping a state."""

from hypothesis import given
from hypothesis import strategies as st

from tcu_agent.adapters.can.debounce import UNSET, Debounce
from tcu_agent.core.events import Value

SIGHTINGS = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from([True, False, None])), max_size=40
)


def accepted_by_model(
    history: list[tuple[int, Value]], now: int, debounce: int
) -> list[tuple[Value, int]]:
    """Each accepted value with the time of its first sighting.

    A run is a stretch of equal sightings; it is accepted if no other value was seen within `debounce` of its start.
    """
    runs: list[tuple[int, Value]] = []
    for at, value in history:
        if not runs or runs[-1][1] is not value:
            runs.append((at, value))
    accepted: list[tuple[Value, int]] = []
    ends = [*(at for at, _ in runs[1:]), now]
    for (start, value), end in zip(runs, ends, strict=False):
        if end - start >= debounce and (not accepted or accepted[-1][0] is not value):
            accepted.append((value, start))
    return accepted


@given(SIGHTINGS, st.integers(0, 60), st.integers(0, 100))
def test_it_accepts_what_the_model_accepts(
    gaps: list[tuple[int, Value]], debounce: int, tail: int
) -> None:
    tested = Debounce(debounce)
    now, history, seen = 0, [], []
    for gap, value in gaps:
        now += gap
        if tested.settle(now):
            seen.append((tested.accepted, tested.since))
        history.append((now, value))
        if tested.observe(value, now):
            seen.append((tested.accepted, tested.since))
    now += tail
    if tested.settle(now):
        seen.append((tested.accepted, tested.since))
    assert seen == accepted_by_model(history, now, debounce)


def test_a_value_counts_from_its_first_sighting() -> None:
    tested = Debounce(0.1)
    assert not tested.observe(True, 5.0)
    assert tested.pending
    assert tested.deadline == 5.1
    assert tested.observe(True, 5.1)
    assert (tested.accepted, tested.since) == (True, 5.0)


def test_going_back_cancels_and_is_counted() -> None:
    tested = Debounce(0.1)
    tested.observe(True, 0.0)
    tested.settle(1.0)
    for step in range(20):
        assert not tested.observe(step % 2 == 1, 2.0 + step * 0.05)
    assert tested.accepted is True
    assert tested.suppressed == 10


def test_one_and_true_are_two_values() -> None:
    tested = Debounce(0.0)
    assert tested.observe(True, 0.0)
    assert tested.observe(1, 1.0)


def test_forgetting_says_whether_something_was_known() -> None:
    tested = Debounce(0.0)
    assert not tested.forget()
    tested.observe(None, 0.0)
    assert not tested.forget()
    tested.observe(False, 1.0)
    assert tested.forget()
    assert tested.accepted is UNSET
