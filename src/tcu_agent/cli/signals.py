"""`tcu-agent signals`: a recording through the daemon's own decode path, each VSS change with its time."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcu_agent.cli.reader import forget_reader
from tcu_agent.errors import ConfigError

if TYPE_CHECKING:
    from tcu_agent.adapters.can.counters import DecoderCounters
    from tcu_agent.adapters.can.recording import Recording
    from tcu_agent.adapters.can.signals import SignalDecoder
    from tcu_agent.adapters.mapping.mapping import VehicleMapping
    from tcu_agent.core.events import CoreEvent
    from tcu_agent.ports import CanFrame

_BATCH_FRAMES = 512
_PROGRESS_S = {True: 0.5, False: 10.0}
"""Between two progress lines: on a terminal, and where standard error is a file."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `signals` sub-command."""
    parser = subparsers.add_parser(
        "signals",
        help="print the VSS changes in a CAN recording",
        description="Run a CAN recording (any format that python-can reads) through the agent's own decode path and "
        "print each change of a VSS value with its time from the first frame, then a summary.",
    )
    parser.add_argument(
        "--map", type=Path, required=True, metavar="FILE", help="mapping file (TOML)"
    )
    parser.add_argument(
        "--log",
        type=Path,
        required=True,
        metavar="FILE",
        help="recording: .log .asc .blf .csv .db .trc ...",
    )
    parser.add_argument(
        "--dbc",
        type=Path,
        metavar="FILE",
        help="use this DBC instead of the one that the mapping names",
    )
    parser.add_argument(
        "--bus", metavar="NAME", help="bus of the mapping; needed when it has several"
    )
    parser.add_argument(
        "--channel",
        metavar="NAME",
        help="only frames of this channel of the recording, such as can0",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="JSON lines: t, path, value; the last line is the summary",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Carry out the command; return the exit status."""
    from tcu_agent.adapters.can.recording import Recording
    from tcu_agent.adapters.mapping.file import load_mapping

    mapping = load_mapping(args.map, dbc=args.dbc)
    bus = _bus(mapping, args.bus)
    for warning in mapping.path_warnings():
        print(f"warning: {args.map}: {warning}", file=sys.stderr)
    recording = Recording(args.log, channel=args.channel)
    try:
        summary = _play(mapping, bus, recording, as_json=args.json)
        told = json.dumps(summary) if args.json else _readable(summary, _names(mapping, bus))
        print(told, flush=True)
    except BrokenPipeError:
        forget_reader()
    return 0


def _bus(mapping: VehicleMapping, name: str | None) -> str:
    buses = list(mapping.buses)
    if name is None and len(buses) == 1:
        return buses[0]
    if name in buses:
        return name
    what = f"bus {name!r} is not in the mapping" if name else "the mapping has several buses"
    raise ConfigError(what, where="--bus", hint=f"one of: {', '.join(buses)}")


def _names(mapping: VehicleMapping, bus: str) -> dict[str, str]:
    """Return the name of each message by its identifier as the summary writes it."""
    messages = mapping.buses[bus].database.messages
    return {_hex((one.frame_id, one.is_extended_frame)): one.name for one in messages}


def _play(
    mapping: VehicleMapping, bus: str, recording: Recording, *, as_json: bool
) -> dict[str, Any]:
    from tcu_agent.adapters.can.signals import SignalDecoder

    frames = iter(recording)
    started, first = time.perf_counter(), next(frames, None)
    start_s = first.timestamp_s if first else 0.0
    decoder = SignalDecoder(mapping, bus, started_at=start_s, audit=True, listen_only=True)
    changes, last_s = 0, start_s
    for batch in _with_progress(_rejoin(first, frames), recording):
        last_s = batch[-1].timestamp_s
        changes += _print_events(decoder.receive_all(batch), start_s, as_json=as_json)
    elapsed_s = time.perf_counter() - started
    return _summary(
        decoder, recording, changes=changes, duration_s=last_s - start_s, elapsed_s=elapsed_s
    )


def _rejoin(first: CanFrame | None, rest: Iterator[CanFrame]) -> Iterator[CanFrame]:
    if first is not None:
        yield first
    yield from rest


def _with_progress(frames: Iterator[CanFrame], recording: Recording) -> Iterator[list[CanFrame]]:
    """Yield the frames in batches, and say now and then how far it is."""
    is_terminal = sys.stderr.isatty()
    told_at, count = time.monotonic(), 0
    while batch := list(islice(frames, _BATCH_FRAMES)):
        count += len(batch)
        if time.monotonic() - told_at > _PROGRESS_S[is_terminal]:
            told_at = time.monotonic()
            end = "\r" if is_terminal else "\n"
            print(f"{recording.file.name}: {count:,} frames", end=end, file=sys.stderr, flush=True)
        yield batch


def _print_events(events: Iterable[CoreEvent], start_s: float, *, as_json: bool) -> int:
    from tcu_agent.core.events import SignalsChanged

    count = 0
    for change in (
        one for event in events if isinstance(event, SignalsChanged) for one in event.changes
    ):
        count += 1
        t = round(change.at - start_s, 6)
        if as_json:
            print(json.dumps({"t": t, "path": change.path, "value": change.value}))
        else:
            print(f"{t:12.6f}  {change.path} = {json.dumps(change.value)}")
    return count


def _summary(
    decoder: SignalDecoder,
    recording: Recording,
    *,
    changes: int,
    duration_s: float,
    elapsed_s: float,
) -> dict[str, Any]:
    seen: DecoderCounters = decoder.counters()
    truncated = recording.truncated
    return {
        "frames": seen.frames,
        "duration_s": round(duration_s, 6),
        "changes": changes,
        "ids_known": seen.ids_known,
        "ids_unknown": seen.ids_unknown,
        "decode_errors": {
            _hex(key): sum(causes.values()) for key, causes in sorted(seen.decode_errors.items())
        },
        "decode_error_causes": {
            _hex(key): dict(causes) for key, causes in sorted(seen.decode_errors.items())
        },
        "e2e_errors": dict(seen.e2e_errors),
        "unmapped_values": dict(seen.unmapped_values),
        "suppressed": dict(seen.suppressed),
        "never_seen": list(seen.never_seen),
        "error_frames": seen.error_frames,
        "remote_frames": seen.remote_frames,
        "truncated_input": {"what": truncated.what, "where": truncated.where}
        if truncated
        else None,
        "damaged_lines": recording.damaged_lines,
        "frames_per_s": round(seen.frames / elapsed_s) if elapsed_s > 0 else 0,
    }


def _hex(key: tuple[int, bool]) -> str:
    return f"0x{key[0]:08X}" if key[1] else f"0x{key[0]:03X}"


def _readable(summary: dict[str, Any], names: Mapping[str, str]) -> str:
    shown = [
        "",
        f"{summary['frames']:,} frames, {summary['duration_s']:.1f} s; read at {summary['frames_per_s']:,} frames/s",
        f"{summary['ids_known']} ids in the DBC, {summary['ids_unknown']} unknown; {summary['changes']} changes",
    ]
    for identifier, causes in summary["decode_error_causes"].items():
        count, why = sum(causes.values()), "; ".join(sorted(causes))
        shown.append(f"frames of {identifier} ({names[identifier]}) do not decode: {count} ({why})")
    for name, what in (
        ("e2e_errors", "{}: end-to-end check failed: {}"),
        ("unmapped_values", "{}: raw values that the mapping does not have: {}"),
        ("suppressed", "{}: changes held back by debounce: {}"),
    ):
        shown += [what.format(key, count) for key, count in summary[name].items()]
    if summary["never_seen"]:
        shown.append(f"mapped, but not in the recording: {', '.join(summary['never_seen'])}")
    if summary["damaged_lines"]:
        shown.append(f"{summary['damaged_lines']} damaged lines left out")
    if truncated := summary["truncated_input"]:
        shown.append(
            f"the recording is damaged at its end: {truncated['where']}: {truncated['what']}"
        )
    return "\n".join(shown)
