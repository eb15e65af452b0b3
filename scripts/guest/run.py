"""Starts a guest, passes its output on while it runs, ends it when its time is over, and says how it ended."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from enum import Enum, unique
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from scripts.guest.plan import CANNOT_START, Plan

OUT_OF_TIME: Final = 124
"""Exit status when the limit was reached (as `timeout` has it)."""
INSIDE: Final = Path(__file__).with_name("inside")
START_S: Final = 90.0
"""A guest whose first process does not run by then hangs: it takes five seconds, a minute on a very busy machine."""
STARTS: Final = 3
LOOK_EACH_S: Final = 0.5
CONSOLE_LINES: Final = 40
"""So many of the console's last lines are shown when the guest itself failed."""
_ENDS_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL", "--")
"""Whatever happens to this process, the guest's first process goes too."""
_IN_A_WORLD_OF_ITS_OWN: Final = ("unshare", "--pid", "--fork", "--kill-child=KILL", "--")
"""And with it all that it has started, where that is allowed: to root, but not in every container."""


@unique
class Ended(Enum):
    """How a guest ended."""

    BY_ITSELF = "by itself"
    OUT_OF_TIME = "out of time"
    NEVER_STARTED = "never started"


class Machine(Protocol):
    """A way to run a Linux kernel of one's own."""

    name: str
    modules_folder: Path
    output: str

    def prepare(self) -> None:
        """Install what is missing.

        Raises:
            GuestUnavailable: it cannot be installed from here.
        """

    def argv(self, plan: Plan, *, init: Path, output_fd: int) -> Sequence[str]:
        """Return what starts the guest: its console is standard output, the output of its command `output_fd`."""


def run(plan: Plan, machine: Machine) -> int:
    """Run the plan's command in a guest and return its exit status.

    `OUT_OF_TIME` when the limit was reached, `CANNOT_START` when the guest did not get as far as the command or
    died under it; then the end of its console is shown. Writes ``output.log`` (the command's output) and
    ``console.log`` (the kernel's) to the results folder. Leaves no process behind.

    Raises:
        GuestUnavailable: something is missing here and cannot be installed.
    """
    machine.prepare()
    plan.results.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + plan.limit_s
    ended, status = _attempt(plan, machine, deadline)
    for attempt in range(1, STARTS):
        if ended is not Ended.NEVER_STARTED:
            break
        print(f"guest: {machine.name} has not started (attempt {attempt})", file=sys.stderr)
        ended, status = _attempt(plan, machine, deadline)
    if ended is Ended.OUT_OF_TIME:
        print(f"guest: not done after {plan.limit_s:.0f} s: ended", file=sys.stderr)
        _show_console(plan)
        return OUT_OF_TIME
    if status is None or status == CANNOT_START:
        print(f"guest: {machine.name} did not run the command to its end", file=sys.stderr)
        _show_console(plan)
        return CANNOT_START
    return status


def _attempt(plan: Plan, machine: Machine, deadline: float) -> tuple[Ended, int | None]:
    """Run the guest once; return how it ended, and the command's exit status if it left one."""
    with tempfile.TemporaryDirectory(prefix="tcu-guest-") as folder:
        init = _write_plan(Path(folder), plan, machine)
        return _play(plan, machine, init, deadline), _status(init.with_name("status"))


def _write_plan(folder: Path, plan: Plan, machine: Machine) -> Path:
    """Return the path of the guest's first process, with its plan beside it."""
    init = folder / "inside"
    shutil.copyfile(INSIDE, init)
    init.chmod(0o755)
    text = plan.as_shell(modules_folder=machine.modules_folder, output=machine.output)
    init.with_name("plan").write_text(text)
    return init


def _play(plan: Plan, machine: Machine, init: Path, deadline: float) -> Ended:
    """Run the guest and pass its output on."""
    read_fd, write_fd = os.pipe()
    with (
        os.fdopen(read_fd, "rb", buffering=0) as output,
        (plan.results / "output.log").open("wb") as log,
        (plan.results / "console.log").open("wb") as console,
    ):
        argv = machine.argv(plan, init=init, output_fd=write_fd)
        with _process(argv, console, write_fd) as process:
            if not _has_started(output, init, min(deadline, time.monotonic() + START_S)):
                is_over = time.monotonic() >= deadline
                return Ended.OUT_OF_TIME if is_over else Ended.NEVER_STARTED
            in_time = _pass_on(output, log, deadline=deadline) and _ends(process, deadline=deadline)
            return Ended.BY_ITSELF if in_time else Ended.OUT_OF_TIME


@contextlib.contextmanager
def _process(
    argv: Sequence[str], console: BinaryIO, output_fd: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A guest in a session of its own, all of which is ended at the end; it does not outlive this process either."""
    process = subprocess.Popen(
        [*_ENDS_WITH_US, *_world(), *argv],
        stdin=subprocess.DEVNULL,
        stdout=console,
        stderr=console,
        pass_fds=(output_fd,),
        start_new_session=True,
    )
    os.close(output_fd)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _has_started(output: BinaryIO, init: Path, deadline: float) -> bool:
    """Return whether the guest's first process came to run; a kernel in an emulator may hang on a busy machine."""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while not selector.select(LOOK_EACH_S):
            if init.with_name("started").exists():
                return True
            if time.monotonic() > deadline:
                return False
    return True


def _world() -> tuple[str, ...]:
    tried = subprocess.run([*_IN_A_WORLD_OF_ITS_OWN, "true"], capture_output=True, check=False)
    return _IN_A_WORLD_OF_ITS_OWN if tried.returncode == 0 else ()


def _pass_on(output: BinaryIO, log: BinaryIO, *, deadline: float) -> bool:
    """Copy the guest's output until its end; False when the deadline came first."""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            text = output.read(65536)
            if not text:
                return True
            for place in (log, sys.stdout.buffer):
                place.write(text)
                place.flush()
    return False


def _ends(process: subprocess.Popen[bytes], *, deadline: float) -> bool:
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _status(file: Path) -> int | None:
    """Return what the guest's first process left; None when it came to no end."""
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _show_console(plan: Plan) -> None:
    lines = (plan.results / "console.log").read_text(errors="replace").splitlines()
    print(f"guest: the end of {plan.results / 'console.log'}:", file=sys.stderr)
    for line in lines[-CONSOLE_LINES:]:
        print(f"    {line}", file=sys.stderr)
