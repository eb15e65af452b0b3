"""`tcu-sim simulate`: seeds in, failing histories out, each shrunk and written to a file."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tcu_sim.bench.simulation.kept import Kept, fails_like, read_kept
from tcu_sim.bench.simulation.run import Verdict, run
from tcu_sim.bench.simulation.shrinking import shrink
from tcu_sim.bench.simulation.steps import history
from tcu_sim.errors import BadInput

DESCRIPTION = """\
Plays one history for each seed: requests, people, a bad network, an attacker, clocks, crashes and faults, on simulated
time, with the whole agent. After every step a judge holds what the car did against what it was allowed to do
(G1-G8, docs/protocol.md); at the end everything is repaired and nothing may be missing. The same seed is the same run.
A failing history is shrunk and written to a file. The exit status is 0 only if no seed fails."""
MOST_SEEDS = 100_000_000


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `simulate`."""
    parser = subparsers.add_parser(
        "simulate",
        help="any history at all, from a seed: judged, shrunk, kept",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--seeds", default="0:100", metavar="A:B", help="seeds A to B-1, or one seed (0:100)"
    )
    what.add_argument("--replay", type=Path, metavar="FILE", help="one kept history")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    parser.add_argument("--trace", action="store_true", help="print everything that happened")
    parser.add_argument(
        "--keep",
        type=Path,
        default=Path("build/simulation"),
        metavar="DIR",
        help="where failing histories are written (build/simulation)",
    )
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="one a core"
    )
    parser.add_argument(
        "--most-failures", type=int, default=5, metavar="N", help="end after so many (5)"
    )
    parser.add_argument("--no-shrink", action="store_true", help="leave failing histories long")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run what was asked for; 0 if nothing is wrong, else 1."""
    if args.processes < 1 or args.most_failures < 1:
        raise BadInput("--processes and --most-failures count from 1")
    if args.replay is not None:
        return _replay(args)
    seeds = read_seeds(args.seeds)
    if len(seeds) == 1:
        args.processes = 1
    return _campaign(args, seeds)


def read_seeds(text: str) -> range:
    """Return the seeds that `A:B` or `A` stands for.

    Raises:
        BadInput: neither, or none.
    """
    first, _, end = text.partition(":")
    try:
        seeds = range(int(first), int(end) if end else int(first) + 1)
    except ValueError:
        seeds = range(0)
    if not seeds or seeds[0] < 0 or len(seeds) > MOST_SEEDS:
        raise BadInput(f"--seeds {text}: write A:B with 0 <= A < B, such as 0:300, or one seed")
    return seeds


def _campaign(args: argparse.Namespace, seeds: range) -> int:
    from tcu_sim.bench.simulation.campaign import Sum, verdicts
    from tcu_sim.bench.simulation.progress import Progress

    total = Sum()
    progress = Progress(sys.stderr, of=len(seeds))
    for verdict in verdicts(seeds, processes=args.processes):
        total.add(verdict)
        progress.wipe()
        if args.trace:
            _print_trace(run(verdict.seed, history(verdict.seed), keeps_trace=True))
        if verdict.complaints:
            _failed(args, verdict)
        elif args.json or len(seeds) == 1:
            _print(args, verdict, history_file=None)
        if total.failures >= args.most_failures:
            break
        if len(seeds) > 1:
            progress.tell(total)
    progress.wipe()
    print(json.dumps(asdict(total)) if args.json else total)
    return 1 if total.failures else 0


def _replay(args: argparse.Namespace) -> int:
    kept = read_kept(args.replay)
    verdict = run(kept.seed, kept.steps, keeps_trace=args.trace)
    if args.trace:
        _print_trace(verdict)
    _print(args, verdict, history_file=args.replay)
    return 1 if verdict.complaints else 0


def _failed(args: argparse.Namespace, verdict: Verdict) -> None:
    steps = history(verdict.seed)
    if not args.no_shrink:
        steps = shrink(steps, partial(fails_like, verdict.kind, verdict.seed))
    kept = Kept(verdict.seed, tuple(steps), verdict.complaints[0])
    path = args.keep / f"seed-{verdict.seed}.json"
    kept.write(path)
    _print(args, verdict, history_file=path)
    if not args.json:
        for number, step in enumerate(steps, 1):
            print(f"  {number}. {step}")
    sys.stdout.flush()


def _print(args: argparse.Namespace, verdict: Verdict, *, history_file: Path | None) -> None:
    if args.json:
        value = asdict(verdict) | {"history": str(history_file) if history_file else None}
        del value["trace"]
        print(json.dumps(value), flush=True)
        return
    state = "FAILED" if verdict.complaints else "well"
    print(
        f"seed {verdict.seed}: {state}, {verdict.vehicle_s:.0f} simulated s, trace {verdict.trace_hash}"
    )
    for complaint in verdict.complaints:
        print(f"  {complaint}")
    if verdict.complaints and history_file is not None:
        print(f"  replay: tcu-sim simulate --replay {history_file}")


def _print_trace(verdict: Verdict) -> None:
    for line in verdict.trace:
        print(line)
