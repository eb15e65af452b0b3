"""The dependency direction of both packages, and that the check sees each way to break it."""

import pytest

from tests.meta.checkout import Module, modules
from tests.meta.dependency_direction import violations


def test_every_module_imports_only_what_its_room_may() -> None:
    complaints = [line for module in modules() for line in violations(module)]
    assert not complaints, "\n".join(complaints)


def test_both_packages_are_looked_at() -> None:
    names = {module.name for module in modules()}
    assert {"tcu_agent.core.events", "tcu_agent.ports", "tcu_sim"} <= names


BROKEN = [
    ("tcu_agent.core.unlock.unlock", "import time"),
    ("tcu_agent.core.unlock.unlock", "import asyncio.events"),
    ("tcu_agent.core.unlock.unlock", "from datetime import datetime"),
    ("tcu_agent.core.unlock.unlock", "import random"),
    ("tcu_agent.core.unlock.unlock", "import logging"),
    ("tcu_agent.core.unlock.unlock", "def late() -> None:\n    import os"),
    ("tcu_agent.core.unlock.unlock", "from importlib import import_module"),
    ("tcu_agent.core.unlock.unlock", "__import__('socket')"),
    ("tcu_agent.core.unlock.unlock", "__import__(name)"),
    ("tcu_agent.core.unlock.unlock", "import can"),
    ("tcu_agent.core.unlock.unlock", "import cbor2"),
    ("tcu_agent.core.unlock.unlock", "from tcu_agent import ports"),
    ("tcu_agent.core.unlock.unlock", "from tcu_agent.adapters.clock import BootClock"),
    ("tcu_agent.core.unlock.unlock", "from . import vss"),
    ("tcu_agent.protocol.codec", "from tcu_agent.core.events import CoreEvent"),
    ("tcu_agent.protocol.codec", "import secrets"),
    ("tcu_agent.protocol.codec", "import cantools"),
    ("tcu_agent.ports", "from tcu_agent.adapters import can_bus"),
    ("tcu_agent.ports", "import aiomqtt"),
    ("tcu_agent.errors", "from tcu_agent.protocol.codec import decode"),
    ("tcu_agent.adapters.cloud.mqtt", "from tcu_agent.runtime import daemon"),
    ("tcu_agent.adapters.cloud.mqtt", "import aiohttp"),
    ("tcu_agent.runtime.daemon", "from tcu_agent.cli.main import main"),
    ("tcu_agent.runtime.daemon", "import tcu_sim"),
    ("tcu_agent.runtime.daemon", "from tcu_sim.vehicle import Vehicle"),
    ("tcu_agent.attic", "import math"),
    ("tcu_sim.centre.encoder", "from tcu_agent.protocol import codec"),
    ("tcu_sim.centre.encoder", "import tcu_agent"),
    ("tcu_sim.vehicle.locks", "from tcu_agent.adapters.can.signals import decode"),
    ("tcu_sim.bench_press", "import tcu_agent.core"),
    ("tcu_sim.centre.web", "import flask"),
    ("tcu_sim.cli.main", "PARTS = ['tcu_sim.bus', 'tcu_agent.core.x']\nimport_module(PARTS[1])"),
    ("tcu_sim.cli.main", "importlib.import_module(name)"),
]


@pytest.mark.parametrize(("name", "source"), BROKEN)
def test_a_forbidden_import_is_seen(name: str, source: str) -> None:
    assert violations(Module(name=name, path="trial.py", source=source))


ALLOWED = [
    ("tcu_agent.core.unlock.unlock", "from tcu_agent.core.events import CoreEvent"),
    ("tcu_agent.core.unlock.unlock", "from tcu_agent.protocol.messages import Grant"),
    ("tcu_agent.core.unlock.unlock", "import hashlib\nfrom collections.abc import Mapping"),
    ("tcu_agent.protocol.codec", "import cbor2\nfrom cryptography import x509"),
    ("tcu_agent.errors", "from tcu_agent.protocol.vocabulary import Reason"),
    ("tcu_agent.adapters.clock", "import time\nfrom tcu_agent.ports import Clock"),
    ("tcu_agent.runtime.daemon", "import asyncio\nfrom tcu_agent.adapters import mqtt"),
    ("tcu_sim.bench.rig", "from tcu_agent.core.agent import Agent"),
    ("tcu_sim.centre.web", "from aiohttp import web\nimport random"),
    ("tcu_sim.cli.main", "PARTS = ['tcu_sim.bus', 'another word']\nimport_module(PARTS[0])"),
]


@pytest.mark.parametrize(("name", "source"), ALLOWED)
def test_an_allowed_import_is_left_alone(name: str, source: str) -> None:
    assert violations(Module(name=name, path="trial.py", source=source)) == []
