"""A decoder of the reference vehicle, and what tests do with it."""

from __future__ import annotations

from collections.abc import Iterable

from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.core.events import CoreEvent
from tcu_agent.ports import CanFrame
from tests.can.vehicle import frame, reference


def decoder(*, audit: bool = False, listen_only: bool = False) -> SignalDecoder:
    return SignalDecoder(reference(), "body", started_at=0.0, audit=audit, listen_only=listen_only)


def feed(tested: SignalDecoder, frames: Iterable[CanFrame]) -> list[CoreEvent]:
    return [event for one in frames for event in tested.receive(one)]


def of_kind(events: Iterable[CoreEvent], kind: type) -> list[CoreEvent]:
    return [event for event in events if isinstance(event, kind)]


def keep_alive(until: float, *, since: float, step: float = 0.1) -> list[CanFrame]:
    count = round((until - since) / step)
    return [frame("NmBcm", since + step * (index + 1)) for index in range(count)]
