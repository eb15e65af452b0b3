"""Another root in the place of one: only when the bundle in force is one that cars with the new set believe as well."""

from __future__ import annotations

import shutil
from dataclasses import replace

from tcu_sim.errors import BadInput
from tcu_sim.pki import files
from tcu_sim.pki.layout import Layout
from tcu_sim.pki.public import read_roots, read_vehicles, roots_text
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.keys import PublicKey
from tcu_sim.wire.trust import Roots, open_container


def replace_root(layout: Layout, old_kid: bytes, new: PublicKey) -> Roots:
    """Put `new` in the place of the root `old_kid` and hand the roots out; return them.

    A car verifies its stored bundle again with the roots of its configuration. One that the new set has not signed
    would leave it without any trust, so that is refused.

    Raises:
        BadInput: no such root, the new one is there already, or too few of the new set signed the bundle in force.
    """
    roots, register = read_roots(layout.roots), read_vehicles(layout.vehicles)
    if old_kid not in roots.by_kid():
        raise BadInput(f"no root {old_kid.hex()} (tcu-sim pki show lists them)")
    if new.kid in roots.by_kid():
        raise BadInput(f"root {new.kid.hex()} is there already")
    changed = replace(roots, keys=tuple(new if key.kid == old_kid else key for key in roots.keys))
    try:
        open_container(layout.trust.read_bytes(), changed, register.environment)
    except OSError as error:
        raise BadInput(f"{layout.trust}: cannot be read ({error.strerror})") from error
    except WireError as error:
        raise BadInput(
            "cars with the new roots would not believe the bundle that they have; first publish one that "
            f"{roots.threshold} of the old and {roots.threshold} of the new roots have signed"
        ) from error
    files.replace_public(layout.roots, roots_text(changed))
    for directory in layout.parties(register.keys):
        shutil.copy(layout.roots, directory)
    return changed
