"""Every place in the agent that could put a command on the bus, a position on MQTT, or make what the actuators take.

Looked for are names, in whatever way they are used (called, passed on, fetched by `getattr`), so that a detour by a
variable is seen as well. What is found is compared with a list that somebody has thought about.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tests.meta.checkout import Module

MADE = frozenset(
    {
        "UnlockAuthorisation", "PositionAuthorisation", "RelockAuthorisation",
        "TransmitUnlock", "TransmitLock", "SealPosition", "replace", "deepcopy", "__new__", "__replace__",
    }
)  # fmt: skip
"""Seen where they are called: permissions, what carries them to the actuators, and what makes a copy with changes."""
SEALS = frozenset({"_VERIFIER", "_RELOCKER", "relock_after_unlock", "resume_position"})
"""Seen wherever they stand: what permissions are born of."""
VERBS = frozenset(
    {
        "send", "send_periodic", "publish", "seal", "unlock", "lock", "put_position", "sign_position",
        "seal_position", "sendto", "sendall", "sendmsg",
    }
)  # fmt: skip
"""Seen wherever they stand, in the rooms that touch the world: every verb by which something leaves."""
PURE_ROOMS = ("tcu_agent.core.", "tcu_agent.protocol.")
"""No outlet can be reached from here (tests/meta/test_dependency_direction.py): their verbs are their own."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One use: module and function (or class), and the name that is used there."""

    where: str
    name: str

    def __str__(self) -> str:
        """Return it as the list writes it."""
        return f"{self.where}: {self.name}"


def places(module: Module) -> set[Place]:
    """Return every place of a module."""
    used = SEALS if module.name.startswith(PURE_ROOMS) else SEALS | VERBS
    return {Place(where, name) for where, name in _walk(module.tree, module.name, used)}


def _walk(node: ast.AST, where: str, used: frozenset[str]) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _walk(child, f"{where}.{child.name}", used)
            continue
        name = _name(child, used)
        if name is not None:
            yield where, name
        yield from _walk(child, where, used)


def _name(node: ast.AST, used: frozenset[str]) -> str | None:
    """Return the watched name that this node uses, if any."""
    name: str | None = None
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(fetched)), *_]):
            name = fetched if fetched in MADE | used else None
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)):
            # "text".replace is not dataclasses.replace
            is_method = called == "replace" and "dataclasses" not in ast.unparse(node.func)
            is_of_text = is_method and isinstance(node.func, ast.Attribute)
            name = called if called in MADE and not is_of_text else None
        case ast.Attribute(attr=name, ctx=ast.Load()) | ast.Name(id=name, ctx=ast.Load()):
            name = name if name in used else None
        case ast.alias(name=imported, asname=alias):
            is_renamed = alias is not None and imported.rsplit(".", 1)[-1] in MADE | used
            name = imported if is_renamed or imported in {"_VERIFIER", "_RELOCKER"} else None
        case ast.Constant(value=str(text)) if text in {"_VERIFIER", "_RELOCKER"}:
            name = text
    return name
