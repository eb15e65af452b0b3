"""Who may import whom: core <- ports <- adapters, runtime joins, the simulator stands apart.

The tables say what is allowed; everything else is a violation, so a new room or library has to be
entered here by someone who thought about it.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests.meta.checkout import Module

MAY_IMPORT = {
    "": set(),
    "errors": {"protocol.vocabulary"},
    "protocol": {"errors", "protocol"},
    "core": {"errors", "protocol", "core"},
    "ports": {"errors", "protocol", "core"},
    "config": {"errors", "protocol", "core", "config"},
    "adapters": {"errors", "protocol", "core", "ports", "config", "adapters"},
    "runtime": {"errors", "protocol", "core", "ports", "config", "adapters", "runtime"},
    "enrolment": {"errors", "protocol", "config", "adapters", "enrolment"},
    "doctor": {"errors", "ports", "config", "adapters", "doctor"},
    "cli": {
        "errors", "protocol", "core", "ports", "config", "adapters", "runtime", "doctor", "enrolment",
        "cli",
    },
    "__main__": {"cli"},
}  # fmt: skip
"""Rooms of tcu_agent, and the rooms (or single modules) that each may import."""

PURE_STANDARD_LIBRARY = {
    "__future__", "abc", "bisect", "collections", "contextlib", "dataclasses", "enum", "functools",
    "hashlib", "hmac", "itertools", "math", "operator", "struct", "types", "typing",
}  # fmt: skip
"""All that core and protocol need of it: nothing that acts, looks, waits or draws lots."""

AGENT_LIBRARIES = {
    "aiomqtt", "can", "cantools", "cbor2", "cryptography", "e2e", "paho", "serial",
    "bitstruct",  # only to see that the fast half of what cantools decodes with is there
    "pkcs11",  # the extra of this name
}  # fmt: skip
SIMULATOR_LIBRARIES = AGENT_LIBRARIES | {"aiohttp", "amqtt", "argon2", "typing_extensions"}
LIBRARIES_OF_ROOM: dict[str, set[str]] = {
    "": set(),
    "errors": set(),
    "protocol": {"cbor2", "cryptography"},
    "core": set(),
    "ports": set(),
}
"""Rooms of tcu_agent that may use less than all of the agent's libraries."""

OWN_NAME = re.compile(r"tcu_(?:agent|sim)(?:[.]\w+)+")

PURE_ROOMS = {"core", "protocol"}

SIMULATOR_MODULES_THAT_JOIN = (
    "tcu_sim.bench",
    "tcu_sim.fleet",
    "tcu_sim.campaign.mined_agent",
    "tcu_sim.campaign.power.preloaded_agent",
)
"""Only these run the agent's own code; all others are a second implementation of what they need.

Of the crash campaign these are the launchers, which run in the agent's process: who judges knows no agent.
"""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name, dotted down to the symbol, and its line."""

    name: str
    line: int

    def is_in(self, package: str) -> bool:
        """Whether the name is the package or something in it."""
        return self.name == package or self.name.startswith(package + ".")


def imports_of(tree: ast.AST) -> Iterator[Import]:
    """Yield everything a module imports, wherever and however it does so.

    Where only the running program knows the name, every name of our own in the module counts.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            yield from (Import(f"{origin}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and _called_name(node) in {"import_module", "__import__"}:
            known = _constant_argument(node)
            yield from (Import(name, node.lineno) for name in known or _own_names(tree) or ["?"])


def _called_name(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _constant_argument(node: ast.Call) -> list[str]:
    match node.args:
        case [ast.Constant(value=str(name)), *_]:
            return [name]
        case _:
            return []


def _own_names(tree: ast.AST) -> list[str]:
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [value for value in constants if isinstance(value, str) and OWN_NAME.fullmatch(value)]


def violations(module: Module) -> list[str]:
    """Return what is wrong with a module's imports, each as `path:line: complaint`."""
    if module.name.split(".")[0] == "tcu_agent":
        judge = _complaint_in_agent
    elif module.name.split(".")[0] == "tcu_sim":
        judge = _complaint_in_simulator
    else:
        return []
    found = [(item, judge(module.name, item)) for item in imports_of(module.tree)]
    return [f"{module.path}:{item.line}: {complaint}" for item, complaint in found if complaint]


def _complaint_in_agent(name: str, item: Import) -> str:
    room = name.removeprefix("tcu_agent").lstrip(".").split(".")[0]
    top = item.name.split(".")[0]
    if room not in MAY_IMPORT:
        return f"room {room!r} is in no table of dependency_direction.py"
    if item.is_in("tcu_sim"):
        return f"the agent must not import the simulator ({item.name})"
    if item.is_in("tcu_agent"):
        allowed = any(item.is_in(f"tcu_agent.{other}") for other in MAY_IMPORT[room])
        return "" if allowed else f"{room or 'the package'} must not import {item.name}"
    if top in sys.stdlib_module_names:
        allowed = room not in PURE_ROOMS or top in PURE_STANDARD_LIBRARY
        return "" if allowed else f"{room} must not import {top}: it acts, looks, waits or draws"
    allowed = top in LIBRARIES_OF_ROOM.get(room, AGENT_LIBRARIES)
    return "" if allowed else f"{room or 'the package'} must not import {item.name}"


def _complaint_in_simulator(name: str, item: Import) -> str:
    top = item.name.split(".")[0]
    if item.is_in("tcu_agent"):
        joins = any(
            name == room or name.startswith(f"{room}.") for room in SIMULATOR_MODULES_THAT_JOIN
        )
        return "" if joins else f"{name} must not share code with the agent ({item.name})"
    if top == "tcu_sim" or top in sys.stdlib_module_names or top in SIMULATOR_LIBRARIES:
        return ""
    return f"{name} must not import {item.name}"
