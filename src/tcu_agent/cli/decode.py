"""`tcu-agent decode`: print and check a message that was caught on the broker."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcu_agent.cli.reader import forget_reader
from tcu_agent.errors import BadInput, MalformedError

if TYPE_CHECKING:
    from tcu_agent.cli.caught import Caught
    from tcu_agent.cli.description import KnownKeys, Tree
    from tcu_agent.protocol.cose import VerificationKey
    from tcu_agent.protocol.trust import Keyring

EXIT_NOT_VERIFIED = 1
EXIT_UNUSABLE = 2
_ARRAY_OF_MESSAGES = range(0x80, 0x98)
"""First bytes of a short CBOR array: a trust container. A message begins with its tag, 0xd2."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `decode` sub-command."""
    parser = subparsers.add_parser(
        "decode",
        help="print and check a message caught on the broker",
        description="Print every field of a message, and of the messages inside, and check the signatures. Takes hex, "
        "base64, raw bytes, or lines: mosquitto_sub -t 'tcu/v1/#' -F '%t %x' | tcu-agent decode. "
        "Sealed positions stay sealed.",
        epilog="Status: 0 every signature verified, 1 not verified or wrong, 2 not a message.",
    )
    parser.add_argument(
        "message", nargs="?", metavar="HEX", help="hex or base64 (default: standard input)"
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="read it from this file")
    parser.add_argument(
        "--trust", type=Path, metavar="FILE", help="trust container with the centre's keys"
    )
    parser.add_argument(
        "--roots", type=Path, metavar="FILE", help="roots.toml, to check trust containers with"
    )
    parser.add_argument(
        "--vehicle-key",
        metavar="KEY",
        help="the vehicle's public key: hex (33 or 32 bytes) or a PEM file",
    )
    parser.add_argument(
        "--environment",
        default="production",
        help="the environment that signatures are for (default: production)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a message")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Carry out the command; return the exit status."""
    known = _known_keys(args)
    status = 0
    try:
        for caught in _caught(args):
            status = max(status, _show(caught, known, as_json=args.json))
    except BrokenPipeError:
        forget_reader()
        return max(status, EXIT_NOT_VERIFIED)  # not everything was looked at
    return status


def _show(caught: Caught, known: KnownKeys, *, as_json: bool) -> int:
    from tcu_agent.cli.description import is_verified

    try:
        trees = _describe(caught, known)
    except MalformedError as error:
        _print_malformed(caught, error, as_json=as_json)
        return EXIT_UNUSABLE
    for tree in trees:
        print(json.dumps(tree) if as_json else "\n".join(_lines(tree)), flush=True)
    return 0 if all(is_verified(tree) for tree in trees) else EXIT_NOT_VERIFIED


def _describe(caught: Caught, known: KnownKeys) -> list[Tree]:
    """Return the message, or the messages of a trust container.

    Raises:
        MalformedError: not a message.
    """
    from tcu_agent.cli.description import describe
    from tcu_agent.protocol.trust import messages_of

    data = caught.data
    in_container = data[:1] and data[0] in _ARRAY_OF_MESSAGES
    messages = messages_of(data) if in_container else [data]
    trees = [describe(message, known) for message in messages]
    if caught.topic is not None:
        for tree in trees:
            tree["topic"] = caught.topic
            if caught.topic.rsplit("/", 1)[-1] != tree["type"]:
                tree["signature"] = "WRONG: caught on the topic of another type"
    return trees


def _print_malformed(caught: Caught, error: MalformedError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"malformed": str(error), "reason": error.reason.code}), flush=True)
    else:
        print(f"{caught.where}: {error.reason.code}: {error}", flush=True)


def _lines(tree: Tree, indent: str = "") -> Iterator[str]:
    from tcu_agent.cli.description import WRONG

    signed = f"{tree['signer']} key {tree['kid']}, {tree['alg']}"
    yield f"{indent}{tree['type']} ({tree['bytes']} bytes)"
    inner = indent + "  "
    if "topic" in tree:
        yield f"{inner}topic: {_pairs(tree['topic'])}"
    hint = f" in environment {tree['environment']!r}" if tree["signature"] == WRONG else ""
    yield f"{inner}signature: {tree['signature']}{hint} [{signed}]"
    yield f"{inner}payload sha256: {tree['payload_sha256']}"
    for name, value in tree["fields"].items():
        if isinstance(value, dict) and "signature" in value:
            yield f"{inner}{name}:"
            yield from _lines(value, inner + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{inner}{name}:"
            yield from (f"{inner}  {_pairs(item)}" for item in value)
        else:
            yield f"{inner}{name}: {_pairs(value)}"


def _pairs(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{_pairs(name)}={_pairs(item)}" for name, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(_pairs(item) for item in value) or "none"
    if (
        isinstance(value, str) and value.isprintable()
    ):  # an unverified text must not drive a terminal
        return value
    return json.dumps(value)


def _caught(args: argparse.Namespace) -> Iterator[Caught]:
    from tcu_agent.cli import caught

    if args.message is not None:
        yield caught.from_text(args.message, where="argument")
    elif args.file is not None:
        try:
            with args.file.open("rb") as stream:
                yield from caught.from_stream(stream, where=str(args.file))
        except OSError as error:
            raise BadInput(f"cannot be read ({error.strerror})", where=str(args.file)) from error
    else:
        yield from caught.from_stream(sys.stdin.buffer, where="standard input")


def _known_keys(args: argparse.Namespace) -> KnownKeys:
    from tcu_agent.cli.description import KnownKeys

    roots, threshold = _roots(args.roots)
    keyring = None
    if args.trust is not None:
        keyring = _keyring(args.trust, roots, threshold, args.environment)
    return KnownKeys(
        environment=args.environment,
        keyring=keyring,
        vehicle=None if args.vehicle_key is None else _vehicle_key(args.vehicle_key),
        roots=roots,
    )


def _keyring(
    file: Path, roots: tuple[VerificationKey, ...], threshold: int, environment: str
) -> Keyring:
    from tcu_agent.protocol import trust

    data = _read(file)
    try:
        if roots:
            return trust.open_container(
                data, roots=roots, threshold=threshold, environment=environment
            )
        print(
            "note: root signatures of the trust bundle are not checked (no --roots)",
            file=sys.stderr,
        )
        return trust.claimed_bundle(data)
    except MalformedError as error:
        hint = "the container as the car gets it on the topic trust; --environment must be its own"
        raise BadInput(f"{error.reason.code}: {error}", where=str(file), hint=hint) from error


def _roots(file: Path | None) -> tuple[tuple[VerificationKey, ...], int]:
    from tcu_agent.config.roots import read_roots
    from tcu_agent.config.table import Findings
    from tcu_agent.protocol.trust import root_keys

    if file is None:
        return (), 0
    findings = Findings(file)
    found = read_roots(file, findings)
    if findings.problems:
        raise findings.problems[0]
    return root_keys(found.keys), found.threshold


def _vehicle_key(given: str) -> VerificationKey:
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_public_key,
    )

    from tcu_agent.protocol.cose import VerificationKey

    try:
        raw = bytes.fromhex(given)
    except ValueError:
        raw = b""
    try:
        if not raw:
            key: Any = load_pem_public_key(_read(Path(given)))
            is_ed25519 = isinstance(key, Ed25519PublicKey)
            form = PublicFormat.Raw if is_ed25519 else PublicFormat.CompressedPoint
            raw = key.public_bytes(Encoding.Raw if is_ed25519 else Encoding.X962, form)
        return VerificationKey.of(raw)
    except (MalformedError, ValueError, UnsupportedAlgorithm, InternalError) as error:
        hint = "hex of 33 bytes (P-256) or 32 bytes (Ed25519), or a PEM file with a public key"
        raise BadInput(str(error), where=f"--vehicle-key {given}", hint=hint) from error


def _read(file: Path) -> bytes:
    from tcu_agent.protocol.trust import CONTAINER_LIMIT

    try:
        with file.open("rb") as stream:
            return stream.read(
                CONTAINER_LIMIT + 1
            )  # one more: whoever decodes says that it is too large
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=str(file)) from error
