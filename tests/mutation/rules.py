"""The kinds of mutants that are explained by a rule: each says so of the lines that a mutant takes out and puts in."""

from __future__ import annotations

import re
from collections.abc import Callable

TEXT = re.compile(r"""[fr]?(?:"[^"]*"|'[^']*')""")
FIELD = re.compile(r"\{[^{}]*\}")


def is_wording(out: str, put: str) -> bool:
    """Whether the two differ in nothing but texts for people, or leave one out."""
    before, after = without_prose(out), without_prose(put)
    bare = (without_prose(each, with_fields=False) for each in (out, put))
    return "~" in before and (before == after or is_left_out(*bare))


def is_left_out(before: str, after: str) -> bool:
    """Whether None stands for one text."""
    return before == after.replace("None", "~", 1) != after


def without_prose(code: str, *, with_fields: bool = True) -> str:
    """Return code with ~ for each text for people, and behind it what an f-string computes: that can fail.

    A text with a space in it is for people. Whatever is compared or counted is one word.
    """

    def told(text: re.Match[str]) -> str:
        fields = FIELD.findall(text[0]) if with_fields and text[0].startswith("f") else []
        return "~" + "".join(fields) if " " in text[0] else text[0]

    return TEXT.sub(told, code)


def is_log_line(out: str, put: str) -> bool:
    """Whether only the fields of a line for the log differ."""
    word = re.compile(r'step\.note\(("[\w-]+")')
    one, other = word.match(out), word.match(put)
    return bool(one and other and one[1] == other[1])


def is_cast(out: str, put: str) -> bool:
    """Whether only the type that `typing.cast` names differs."""
    named = re.compile(r'cast\((?:"[^"]*"|None)')
    return "cast(" in out and named.sub("~", out) == named.sub("~", put)


RULES: dict[str, Callable[[str, str], bool]] = {
    "wording": is_wording,
    "log-line": is_log_line,
    "cast": is_cast,
}
