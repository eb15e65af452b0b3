"""All fuzz targets by name."""

from __future__ import annotations

from tests.fuzz import can_input, enrolment, files, messages, state
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        *messages.TARGETS,
        *files.TARGETS,
        *state.TARGETS,
        *can_input.TARGETS,
        *enrolment.TARGETS,
    )
}
