"""Numbers of a command line, with their limits: argparse itself would say how we call the reader, and take a nan."""

from __future__ import annotations

import argparse
from collections.abc import Callable

MOST_PORT = 65_535
DAY_S = 86_400


def port(text: str) -> int:
    """Return a port that can be connected to.

    Raises:
        argparse.ArgumentTypeError: not in 1..65535.
    """
    return whole(1, MOST_PORT)(text)


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers in `low`..`high`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number in {low}..{high}")
        return int(text)

    return read


def seconds(text: str) -> float:
    """Return how long to wait, in seconds.

    Raises:
        argparse.ArgumentTypeError: not in 0..86400.
    """
    return seconds_up_to(DAY_S)(text)


def seconds_up_to(most_s: int) -> Callable[[str], float]:
    """Return a reader of seconds in 0..`most_s`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most_s:
            raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds in 0..{most_s}")
        return value

    return read
