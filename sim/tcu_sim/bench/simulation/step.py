"""One thing that happens, as data.

A step carries all that it needs. Where it points at something that came before (the n-th recorded message), it does so
by a number that is taken modulo what is there: every sublist of a history is a history too, which shrinking needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens. `do`: a name of `steps.DRAWS`; `of`: what it needs, plain JSON values."""

    do: str
    of: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {"do": self.do, **self.of}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Step:
        """Return the step that `to_json` wrote."""
        return Step(value["do"], {name: item for name, item in value.items() if name != "do"})

    def __str__(self) -> str:
        """Return one short line."""
        return " ".join([self.do, *(f"{name}={value}" for name, value in self.of.items())])
