"""What can be wrong with a guest, apart from the command in it."""

from __future__ import annotations


class GuestUnavailable(Exception):
    """No guest can be started here; the text says what is missing and what to do."""
