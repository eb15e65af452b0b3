"""How a scenario asks for its world, and the words that scenarios share."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tcu_sim.bench.world import World
from tcu_sim.vehicle.central_locking import Behaviour
from tcu_sim.vehicle.reference import Door, LockPosition
from tcu_sim.vehicle.vehicle import VehicleSettings

Scenario = Callable[..., Awaitable[None]]
F = TypeVar("F", bound=Scenario)
AWAKE = VehicleSettings(sleep_after_s=3600.0)
"""A car whose bus does not fall asleep while a scenario lasts."""
_OPTIONS = "world_options"


def of_world(**options: Any) -> Callable[[F], F]:
    """Say how the world of a scenario is built: arguments of `World`."""

    def remember(scenario: F) -> F:
        setattr(scenario, _OPTIONS, options)
        return scenario

    return remember


def options_of(scenario: Callable[..., Any]) -> dict[str, Any]:
    """Return what `of_world` said about a scenario."""
    options: dict[str, Any] = getattr(scenario, _OPTIONS, {})
    return options


def press(world: World, for_s: float, *, bounces: int = 0) -> None:
    """Press ON CALL now, for so long."""
    world.car.do(lambda now: world.car.person.press_on_call(for_s, bounces=bounces, now=now))


def hold(world: World, state: str = "Pressed") -> None:
    """Hold the button, let it go (``Released``) or break it."""
    world.car.do(lambda now: world.car.person.set_on_call(state, now=now))


def press_plate(world: World) -> None:
    """Press the tailgate's plate for half a second."""
    world.car.do(lambda now: world.car.person.press_plate(now=now))


def open_door(world: World, door: Door = Door.FRONT_LEFT) -> None:
    """Open a door that is unlocked."""
    world.car.do(lambda now: world.car.person.open_door(door, now=now))


def behave(world: World, behaviour: Behaviour, *, late_s: float = 3.0) -> None:
    """Let the central locking behave so from the next command on."""
    world.car.vehicle.bcm.locking.set_behaviour(behaviour, late_s=late_s)


def lamp(world: World) -> str:
    """Return the lamp as the car's console sees it."""
    return world.car.vehicle.on_call.lamp


def is_locked(world: World) -> bool:
    """Whether all five locks truly are, whatever CAN says."""
    return set(world.car.vehicle.locks.values()) == {LockPosition.LOCKED}


def is_unlocked(world: World) -> bool:
    """Whether all five locks truly are."""
    return set(world.car.vehicle.locks.values()) == {LockPosition.UNLOCKED}
