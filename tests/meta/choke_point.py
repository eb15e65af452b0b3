"""Every place in the agent that could put a command on the bus, a position on MQTT, or make what the actuators take.

And every place that reads where the car is: a coordinate needs no permission to go into an event or a will.

Looked for are names, in whatever way they are used (called, passed on, kept in a variable, fetched by `getattr`), so
that a detour by a variable is seen as well; and what needs no name: a class taken from a value, a frozen value that is
written to, the seal read out of a permission, SQL of the positions. What is found is compared with a list that somebody
has thought about. Where a name only says what something is (annotations, `isinstance`, class patterns) it may stand.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.meta.checkout import Module

MADE = frozenset(
    {
        "UnlockAuthorisation", "PositionAuthorisation", "RelockAuthorisation",
        "TransmitUnlock", "TransmitLock", "SealPosition", "SendMessage", "Position",
        "deepcopy", "__new__", "__replace__", "__class__", "__setattr__", "__setstate__",
    }
)  # fmt: skip
"""Permissions, what carries them to the actuators, what leaves on MQTT, and what makes or changes a copy."""
SEALS = frozenset({"_VERIFIER", "_RELOCKER", "relock_after_unlock", "resume_position", "seal"})
"""What permissions are born of; outside the pure rooms, `seal` is a verb as well."""
VERBS = frozenset(
    {
        "send", "send_periodic", "publish", "seal", "unlock", "lock", "put_position", "sign_position",
        "seal_position", "sendto", "sendall", "sendmsg", "_send", "_try", "will_set", "Will",
    }
)  # fmt: skip
"""Seen in the rooms that touch the world: every verb by which something leaves."""
TELLS = frozenset(
    {
        "LATITUDE", "LONGITUDE", "HEADING", "ACCURACY_M", "FIX_TYPE", "FIX_AGE_S", "POSITION_PATHS",
        "latitude", "longitude", "latitude_e7", "longitude_e7", "Fix", "FixSource", "asdict", "astuple",
    }
)  # fmt: skip
"""The paths of a place, its coordinates, what holds them, and what reads all fields of anything."""
TELLS_AS_ATTRIBUTE = frozenset({"fix", "place"})
"""Of the source of fixes; alone they are words for many things."""
PLACE_PATH = re.compile(r"\bCurrentLocation\b")
PURE_ROOMS = ("tcu_agent.core.", "tcu_agent.protocol.")
"""No outlet can be reached from here (tests/meta/test_dependency_direction.py): their verbs are their own."""
COPYING = frozenset({"dataclasses", "copy"})
"""Modules with a `replace` that makes a copy with changes; that of a text or a path is another."""
POSITION_SQL = re.compile(r"\b(INTO|UPDATE)\s+position\b", re.IGNORECASE)


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
    verbs = frozenset() if module.name.startswith(PURE_ROOMS) else VERBS
    harmless = {id(said) for node in ast.walk(module.tree) for said in _says_what_it_is(node)}
    found = _walk(module.tree, module.name, used=MADE | SEALS | TELLS | verbs, harmless=harmless)
    return {Place(where, name) for where, name in found}


def _walk(
    node: ast.AST, where: str, *, used: frozenset[str], harmless: set[int]
) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        if id(child) in harmless:
            continue
        inside = where
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inside = f"{where}.{child.name}"
        name = _name(child, used) or _without_name(child)
        if name is not None:
            yield where, name
        yield from _walk(child, inside, used=used, harmless=harmless)


def _says_what_it_is(node: ast.AST) -> Iterator[ast.AST | None]:
    """Give the parts of a node that name a class to say what something is, and can do nothing with it."""
    match node:
        case ast.FunctionDef(returns=said) | ast.AsyncFunctionDef(returns=said):
            yield said
        case ast.arg(annotation=said) | ast.AnnAssign(annotation=said) | ast.MatchClass(cls=said):
            yield said
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, said]):
            yield said
        case ast.Attribute(value=ast.Call(func=ast.Name(id="type") as said), attr="__name__"):
            yield said
        case ast.Expr(value=ast.Constant() as said):
            yield said
        case ast.Compare(left=left, comparators=others):
            for each in (left, *others):
                if isinstance(each, ast.Call) and ast.unparse(each.func) == "type":
                    yield each.func
        case _:
            pass


def _name(node: ast.AST, used: frozenset[str]) -> str | None:
    """Return the watched name that this node uses, if any."""
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
            return name if name in used or name == "replace" else None
        case ast.Attribute(value=ast.Name(id=owner), attr="replace", ctx=ast.Load()):
            return "replace" if owner in COPYING else None
        case ast.Name(id="replace" | "type" as name, ctx=ast.Load()):
            return name
        case ast.Attribute(attr=name, ctx=ast.Load()) if name in TELLS_AS_ATTRIBUTE:
            return name
        case ast.Attribute(attr=name, ctx=ast.Load()) | ast.Name(id=name, ctx=ast.Load()):
            return name if name in used else None
        case ast.alias(name=name, asname=alias):
            is_renamed = alias is not None and name.rpartition(".")[2] in {
                *used,
                *COPYING,
                "replace",
            }
            return name if is_renamed or name in {"_VERIFIER", "_RELOCKER", "*"} else None
        case _:
            return None


def _without_name(node: ast.AST) -> str | None:
    """Return what this node does that is watched and needs no watched name, if anything."""
    match node:
        case ast.MatchClass(kwd_attrs=read) if {"seal", *TELLS}.intersection(read):
            return next(name for name in sorted(read) if name in {"seal", *TELLS})
        case ast.Constant(value=str(text)) if text in {"_VERIFIER", "_RELOCKER"}:
            return text
        case ast.Constant(value=str(text)) if POSITION_SQL.search(text):
            return "SQL into position"
        case ast.Constant(value=str(text)) if PLACE_PATH.search(text):
            return "a place's path"
        case _:
            return None
