"""Every key that a bundle of this bench ever had: one that has left does not come back.

A car keeps the marks of the last few keys that are gone (docs/protocol.md, "Trust"); one that came back after more of
them would let it take that key's old requests again.
"""

from __future__ import annotations

from collections.abc import Iterable

from tcu_sim.errors import BadInput
from tcu_sim.pki import files
from tcu_sim.pki.layout import Layout
from tcu_sim.wire.messages import Trust


def refuse_return(layout: Layout, new: Trust, current: Trust) -> None:
    """Return if `new` brings no key back that had left the bundle before `current`.

    Raises:
        BadInput: it does, or the list of past keys cannot be read.
    """
    coming = {record.kid for record in new.keys} - {record.kid for record in current.keys}
    for kid in sorted(coming & _past(layout)):
        raise BadInput(
            f"key {kid.hex()} has left the bundle before; a key never comes back: make another "
            "(a key made here for later lies with its service as *.next.pem; delete that first)"
        )


def remember(layout: Layout, bundles: Iterable[Trust]) -> None:
    """Write down the keys of these bundles, beside those that are written down already.

    Raises:
        BadInput: the list cannot be read.
    """
    kids = _past(layout) | {record.kid for trust in bundles for record in trust.keys}
    files.replace_public(layout.past_keys, "".join(f"{kid.hex()}\n" for kid in sorted(kids)))
    layout.past_keys.chmod(0o600)  # nothing secret, but whoever changes it lets a key come back


def _past(layout: Layout) -> set[bytes]:
    path = layout.past_keys
    try:
        return {bytes.fromhex(line) for line in path.read_text(encoding="ascii").splitlines()}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read as one kid in hex a line ({error})") from error
