"""What the doctor's tests write over the smallest tcu.toml."""

from __future__ import annotations

from typing import Final

VIRTUAL: Final = 'interface = "virtual"\nchannel = "body"'
"""The bus of `tests.runtime.files.minimal`."""
SECOC: Final = ("[trust]", '[keys.secoc]\ncentral-locking = "secoc.key"\n[trust]')
"""What the reference mapping needs beyond it: old and new text."""
