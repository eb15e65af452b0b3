"""What operators read: every reason of the specification has its number, its word and a plain sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tcu_sim.centre import words
from tcu_sim.wire import numbers
from tcu_sim.wire.numbers import Outcome

SPECIFICATION = Path(__file__).parents[2] / "docs" / "protocol.md"
ROW = re.compile(r"^\| (\d+) \| `([a-z0-9-]+)` \|", re.MULTILINE)


def section(title: str) -> dict[int, str]:
    """Return number and word of a table of docs/protocol.md."""
    text = SPECIFICATION.read_text(encoding="utf-8").split(f"\n## {title}\n")[1]
    return {int(number): word for number, word in ROW.findall(text.split("\n## ")[0])}


def test_reasons_are_those_of_the_specification() -> None:
    ours = {number: word for number, (word, _) in words.PLAIN.items()}
    assert ours == section("Reason codes")


def test_event_kinds_are_those_of_the_specification() -> None:
    ours = {kind.value: kind.name.lower().replace("_", "-") for kind in numbers.Told}
    assert ours == section("Event kinds")


def test_every_reason_is_a_plain_sentence() -> None:
    for number in words.PLAIN:
        sentence = words.plain_words(number)
        assert re.fullmatch(r"[A-Z][^_`]+\.", sentence), number
    assert "4711" in words.plain_words(4711)
    assert words.word_of(4711) == "reason-4711"


@pytest.mark.parametrize(
    ("outcome", "reason", "state"),
    [
        (Outcome.EXECUTED, 0, "completed"),
        (Outcome.EXECUTED, 97, "completed"),
        (Outcome.REFUSED, 34, "not allowed in this usage mode"),
        (Outcome.REFUSED, 35, "not allowed in this usage mode"),
        (Outcome.REFUSED, 36, "rejected"),
        (Outcome.FAILED, 60, "car error"),
        (Outcome.UNKNOWN, 90, "unknown"),
        (Outcome.CANCELLED, 91, "timeout"),
        (Outcome.CANCELLED, 90, "rejected"),
    ],
)
def test_states_are_the_public_interfaces_words(outcome: Outcome, reason: int, state: str) -> None:
    assert words.state_of_result(outcome, reason) == state
