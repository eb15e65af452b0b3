"""What `tcu-sim operator` and `tcu-sim app` share: a command is a coroutine on a client, its answer is printed."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path

from tcu_sim.centre.app_client import PinNotAccepted
from tcu_sim.centre.client import Client, open_client
from tcu_sim.centre.words import PIN_ANSWERS
from tcu_sim.errors import BadInput
from tcu_sim.pki.bench_at import bench_at

PIN_NOT_ACCEPTED_STATUS = 1
Act = Callable[[Client, argparse.Namespace], Awaitable[object]]


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command of a person."""
    parser.add_argument("--dir", type=Path, required=True, help="directory of the running bench")


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    act: Act,
    *,
    summary: str,
    arguments: Sequence[str] = (),
) -> argparse.ArgumentParser:
    """Add a command with positional `arguments`."""
    parser = commands.add_parser(name, help=summary, description=summary)
    for argument in arguments:
        parser.add_argument(argument, metavar=argument.upper())
    parser.set_defaults(func=lambda args: asyncio.run(_run(act, args)))
    return parser


def identifier(text: str) -> bytes:
    """Return an id given in hex.

    Raises:
        BadInput: it is none.
    """
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 16:
        raise BadInput(f"{text!a}: an id of 32 hex digits is needed")
    return value


def read_secret_line(prompt: str) -> str:
    """Return a line of standard input: a PIN or password never stands on a command line."""
    if sys.stdin.isatty():
        sys.stderr.write(prompt)
        sys.stderr.flush()
    return sys.stdin.readline().rstrip("\n")


async def _run(act: Act, args: argparse.Namespace) -> int:
    try:
        async with open_client(bench_at(args.dir)) as client:
            answer = await act(client, args)
    except PinNotAccepted as refused:
        _print(refused.word)
        sys.stderr.write(f"tcu-sim: {PIN_ANSWERS.get(refused.word, refused.word)}\n")
        return PIN_NOT_ACCEPTED_STATUS
    _print("done" if answer is None else _plain(answer))
    return 0


def _print(answer: object) -> None:
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
