"""How a scenario asks for its world, and the words that scenarios share."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

Scenario = Callable[..., Awaitable[None]]
F = TypeVar("F", bound=Scenario)
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
