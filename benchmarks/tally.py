"""What an event loop asks of the kernel while it listens, and what each such call costs on this machine.

CPU time says how much, and in user-mode Linux in steps of 10 ms; this says what for. Counted are the loop's turns, the
times that it slept and was woken, and calls into the kernel by name. Counting slows the counted down: take the CPU time
from a run without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

from tcu_agent.adapters.timerfd import BoottimeTimer

_KERNEL: Mapping[str, str] = {
    "epoll.poll": "epoll_wait",
    "epoll.register": "epoll_ctl",
    "epoll.unregister": "epoll_ctl",
    "epoll.modify": "epoll_ctl",
    "socket.recvmsg": "recvmsg",
    "socket.getsockopt": "getsockopt",
    "clock_gettime": "clock_gettime",
    "time": "clock_gettime",
    "monotonic": "clock_gettime",
}
"""Functions in C by which Python enters the kernel here. On a board the clocks do not: the vDSO answers."""
_TIMER = BoottimeTimer.__enter__.__qualname__
_ROUNDS = 500
_BATCHES = 5
_SLEEPS = 300
_SLEEP_S = 0.003


class CountingSelector(selectors.EpollSelector):
    """Counts turns, and those of them in which it slept; only while `is_on`."""

    def __init__(self) -> None:
        super().__init__()
        self.is_on = False
        self.turns = self.wake_ups = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as ever."""
        if self.is_on:
            self.turns += 1
            self.wake_ups += timeout is None or timeout > 0
        return super().select(timeout)


class Tally:
    """Of one event loop, which must be made by `loop` and run in the thread that counts."""

    def __init__(self) -> None:
        self._selector = CountingSelector()
        self._calls: Counter[str] = Counter()

    def loop(self) -> asyncio.AbstractEventLoop:
        """Make the loop."""
        return asyncio.SelectorEventLoop(self._selector)

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Count inside."""
        self._selector.is_on = True
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(None)
            self._selector.is_on = False

    def told(self) -> dict[str, object]:
        """Return what was counted, and microseconds of each kind of call."""
        return {
            "wake_ups": self._selector.wake_ups,
            "turns": self._selector.turns,
            "calls": dict(sorted(self._calls.items())),
            "call_us": {name: round(us, 1) for name, us in kernel_costs_us().items()},
        }

    def _note(self, frame: FrameType, event: str, called: object) -> None:
        if event == "c_call":
            name = _KERNEL.get(getattr(called, "__qualname__", ""))
            if name is not None:
                self._calls[name] += 1
        elif event == "call" and frame.f_code.co_qualname == _TIMER:
            self._calls["timerfd"] += 1


def kernel_costs_us() -> dict[str, float]:
    """Return wall microseconds of one call of each kind, and the CPU time of being woken once."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far, contextlib.closing(select.epoll()) as ready:
        near.setblocking(False)
        far.send(b"!")
        ready.register(near, select.EPOLLIN)
        costs = {
            "epoll_wait": _cost_us(lambda: ready.poll(0, 8)),
            "epoll_ctl": _cost_us(lambda: ready.modify(near, select.EPOLLIN)),
            "getsockopt": _cost_us(lambda: near.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)),
            "clock_gettime": _cost_us(time.monotonic),
            "timerfd": _cost_us(_make_timer),
        }
        near.recvmsg(8)
        costs["recvmsg"] = _cost_us(lambda: _receive_nothing(near))
    return costs | {"wake_up": _wake_up_us()}


def _cost_us(call: Callable[[], object]) -> float:
    """Return the least of some batches: the others were disturbed."""
    batches = []
    for _ in range(_BATCHES):
        started = time.perf_counter()
        for _ in range(_ROUNDS):
            call()
        batches.append((time.perf_counter() - started) / _ROUNDS * 1e6)
    return min(batches)


def _make_timer() -> None:
    with BoottimeTimer():
        pass


def _receive_nothing(near: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        near.recvmsg(72, 64)


def _wake_up_us() -> float:
    before = time.process_time()
    for _ in range(_SLEEPS):
        time.sleep(_SLEEP_S)  # noqa: TID251 -- to be woken from it is what is measured
    return (time.process_time() - before) / _SLEEPS * 1e6
