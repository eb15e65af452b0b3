"""The owner's letterbox: the one way a PIN leaves the PIN authority.

A bench's letterbox is a directory `post/<address>/` with one private file a letter; the owner of a
bench opens it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

from tcu_sim.centre.errors import BadCall
from tcu_sim.pki.files import make_private_directory, write_secret

ADDRESS = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
NOTICES = {
    "wrong-entries": "Several wrong PINs were entered for your vehicle. If that was not you, "
    "press ON CALL or call Assistance and ask for a new PIN.",
    "app-locked": "An app account was locked after ten wrong PINs in a row. To use the app again, "
    "ask Assistance for a new PIN and create a new app account.",
    "new-pin-needed": "Too many wrong PINs within a day: the PIN of your vehicle is no longer "
    "accepted. Ask Assistance for a new one.",
    "pin-heard": "An operator had to hear your PIN. Ask Assistance for a new one.",
    "address-change": "Somebody asked us to send letters about your vehicle to another address. "
    "If that was not you, call Assistance at once.",
}
"""What the centre writes to an owner besides a PIN: word -> text."""


class Post(Protocol):
    """Carries letters."""

    def deliver(self, address: str, kind: str, text: str) -> None:
        """Put one letter of `kind` into the letterbox of `address`."""


class LetterboxDirectory:
    """Letters as private files `NNNN-<kind>.txt`, numbered in the order of their delivery."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def deliver(self, address: str, kind: str, text: str) -> None:
        """Put one letter into its letterbox, on the disk when it returns."""
        box = make_private_directory(self._root / check_address(address))
        number = 1 + max((int(letter.name[:4]) for letter in box.glob("[0-9]*.txt")), default=0)
        write_secret(box / f"{number:04d}-{kind}.txt", (text + "\n").encode())


class LettersInMemory:
    """Letters for benches without a disk."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, str, str]] = []
        """Address, kind, text; oldest first."""

    def deliver(self, address: str, kind: str, text: str) -> None:
        """Keep one letter."""
        self.letters.append((check_address(address), kind, text))


def pin_letter(pin: str) -> str:
    """Return the letter that brings a PIN."""
    return f"The PIN for Assistance services of your vehicle: {pin}"


def check_address(address: str) -> str:
    """Return an address id that is safe as the name of a directory.

    Raises:
        BadCall: it is none.
    """
    if ADDRESS.fullmatch(address) is None:
        raise BadCall("address: 1 to 64 of A-Z a-z 0-9 _ - only")
    return address
