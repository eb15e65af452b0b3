"""A line of a command language as words that know their columns, and their reader.

Words are separated by blanks; `#` begins a comment. Whatever is wrong becomes a `CommandError` with
the column and, where a word is near to an allowed one, a suggestion.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from tcu_sim.errors import CommandError

LINE_LIMIT = 1000
"""Longest line in characters: a command has a handful of words, more is a wrong file."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class Word:
    """One word; `column` counts from 1."""

    text: str
    column: int


def split(line: str) -> list[Word]:
    """Return the words of a line without its comment.

    Raises:
        CommandError: the line is too long or holds a character that is not printable ASCII or a
            blank.
    """
    if len(line) > LINE_LIMIT:
        raise CommandError(
            f"the line is longer than {LINE_LIMIT} characters", column=LINE_LIMIT + 1
        )
    text = line.split("#", 1)[0].rstrip("\r\n")
    strange = re.search(r"[^\x20-\x7e\t]", text)
    if strange is not None:
        raise CommandError(f"unexpected character {strange.group()!a}", column=strange.start() + 1)
    return [Word(match.group(), match.start() + 1) for match in re.finditer(r"[^ \t]+", text)]


def suggestion(text: str, choices: Iterable[str]) -> str:
    """Return ``did you mean x?`` when a choice is near, else the list of choices."""
    choices = list(choices)
    near = get_close_matches(text, choices, n=1, cutoff=0.55)
    return f"did you mean {near[0]}?" if near else "one of: " + ", ".join(choices)


class WordReader:
    """Takes the words of one line from left to right."""

    def __init__(self, words: list[Word]) -> None:
        self._words = words
        self._next = 0

    @property
    def is_at_end(self) -> bool:
        """Whether all words are taken."""
        return self._next >= len(self._words)

    @property
    def column(self) -> int:
        """Column of the next word, or just behind the last one."""
        if not self.is_at_end:
            return self._words[self._next].column
        return self._words[-1].column + len(self._words[-1].text) if self._words else 1

    def next_is(self, text: str) -> bool:
        """Whether this word comes next; takes nothing."""
        return not self.is_at_end and self._words[self._next].text == text

    def word(self, what: str) -> Word:
        """Take any word; `what` names it in the error.

        Raises:
            CommandError: the line ends here.
        """
        if self.is_at_end:
            raise CommandError(f"{what} is missing", column=self.column)
        self._next += 1
        return self._words[self._next - 1]

    def choice(self, what: str, choices: Collection[str]) -> str:
        """Take one of the given words.

        Raises:
            CommandError: the line ends here, or another word stands here.
        """
        if self.is_at_end:
            raise CommandError(
                f"{what} is missing", column=self.column, hint="one of: " + ", ".join(choices)
            )
        word = self.word(what)
        if word.text not in choices:
            raise CommandError(
                f"unknown {what} {word.text!r}",
                column=word.column,
                hint=suggestion(word.text, choices),
            )
        return word.text

    def number(self, what: str, *, least: float, most: float) -> float:
        """Take a decimal number within limits.

        Raises:
            CommandError: the line ends here, no number stands here, or it is out of range.
        """
        word = self.word(what)
        limits = f"a number from {least:g} to {most:g}"
        if not _NUMBER.fullmatch(word.text):
            raise CommandError(
                f"{what} is {word.text!r}", column=word.column, hint=f"write {limits}"
            )
        value = float(word.text)
        if not least <= value <= most:
            raise CommandError(
                f"{what} {word.text} is out of range", column=word.column, hint=f"write {limits}"
            )
        return value

    def optional_number(self, what: str, *, least: float, most: float, default: float) -> float:
        """As `number`, or the default where the line ends.

        Raises:
            CommandError: what stands here is no number within the limits.
        """
        return default if self.is_at_end else self.number(what, least=least, most=most)

    def keyword(self, text: str) -> None:
        """Take exactly this word.

        Raises:
            CommandError: it does not stand here.
        """
        word = self.word(f"word {text!r}")
        if word.text != text:
            raise CommandError(f"{word.text!r} stands where {text!r} belongs", column=word.column)

    def end(self) -> None:
        """Make sure that nothing follows.

        Raises:
            CommandError: something does.
        """
        if not self.is_at_end:
            word = self._words[self._next]
            raise CommandError(
                f"{word.text!r} is too much", column=word.column, hint="the command ends before it"
            )
