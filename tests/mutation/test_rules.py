"""What a rule explains, nobody looks at again: it must take no change of code for one of words."""

from __future__ import annotations

import pytest

from tests.mutation.rules import is_cast, is_log_line, is_wording


@pytest.mark.parametrize(
    ("out", "put"),
    [
        ('raise Denial("not for us")', 'raise Denial("XXnot for usXX")'),
        ('raise Denial("not for us")', "raise Denial(None)"),
        ('say(f"of {name} alone")', 'say(f"OF {name} ALONE")'),
        ('say(f"of {name} alone")', "say(None)"),
        ("say('not for us', 1)", "say('NOT FOR US', 1)"),
    ],
)
def test_only_the_words_differ(out: str, put: str) -> None:
    assert is_wording(out, put)


@pytest.mark.parametrize(
    ("out", "put"),
    [
        ('deny("expired")', 'deny("EXPIRED")'),
        ('deny("expired")', "deny(None)"),
        ('deny("not for us", age + 1)', 'deny("not for us", age - 1)'),
        ('deny("not for us", None)', 'deny("not for us", 1)'),
        ('deny("expired", age + 1, by="clock")', 'deny("expired", age - 1, by="clock")'),
        ("say(f\"of {fields['name']} alone\")", "say(f\"of {fields['NAME']} alone\")"),
        ('say(f"at most {age + 1} s", b)', 'say(f"at most {age - 1} s", b)'),
        ("age + 1", "age - 1"),
    ],
)
def test_more_than_words_differs(out: str, put: str) -> None:
    assert not is_wording(out, put)


def test_a_line_for_the_log_may_lose_a_field_but_not_its_word() -> None:
    line = 'step.note("refused", reason=reason)'
    assert is_log_line(line, 'step.note("refused", reason=None)')
    assert not is_log_line(line, 'step.note("REFUSED", reason=reason)')
    assert not is_log_line(line, 'step.deny("refused", reason=None)')


def test_a_cast_may_name_another_type_but_not_another_value() -> None:
    assert is_cast('cast("Grant", value)', "cast(None, value)")
    assert not is_cast('cast("Grant", value)', 'cast("Grant", None)')
