"""What waits in an open python-can bus, all at once. python-can itself hands out one message for each call.

A candidate for python-can: its `virtual` interface keeps a queue, whose lock need not be taken for each message.
"""

from __future__ import annotations

import select
from collections.abc import Callable

import can
from can.interfaces.virtual import VirtualBus

Waiting = Callable[[list[can.Message]], None]

MOST_FRAMES = 512
"""At once, from interfaces that are asked for each."""


def waiting(bus: can.BusABC) -> Waiting:
    """Return what adds the messages that wait now to a list, oldest first, without waiting itself.

    It raises whatever the interface raises; the list has what came before.
    """
    if isinstance(bus, VirtualBus):
        return lambda messages: _take_queue(bus, messages)
    try:
        number = bus.fileno()
    except NotImplementedError:
        return lambda messages: _ask(bus, lambda: True, messages)
    # slcan's `recv(0)` waits for its serial timeout all the same: ask the descriptor first.
    return lambda messages: _ask(bus, lambda: bool(select.select([number], [], [], 0)[0]), messages)


def _ask(bus: can.BusABC, has_more: Callable[[], bool], messages: list[can.Message]) -> None:
    for _ in range(MOST_FRAMES):
        if not has_more() or (message := bus.recv(0)) is None:
            return
        messages.append(message)


def _take_queue(bus: VirtualBus, messages: list[can.Message]) -> None:
    queue = bus.queue
    with queue.mutex:
        messages.extend(queue.queue)
        queue.queue.clear()
        queue.not_full.notify_all()
