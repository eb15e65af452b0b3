"""An agent that takes sending for doing: it reports `executed` as soon as the frame is out. It exists to be caught.

Run as `python -m tests.demo.lying_agent run -c FILE`, in the place of `tcu-agent`.
"""

import sys
from collections.abc import Iterable

from tcu_agent.cli.main import main
from tcu_agent.core.step import Step
from tcu_agent.core.unlock.unlock import Trigger, Unlock, _Job
from tcu_agent.core.vehicle import Change
from tcu_agent.protocol.vocabulary import LockState, Outcome, Reason


def lie() -> None:
    """Let every unlock end as executed right behind its frame, with all locks said to be open."""

    def observe(unlock: Unlock, step: Step, job: _Job, changes: Iterable[Change]) -> None:
        unlock._end(step, Trigger.UNLOCKED, Outcome.EXECUTED, Reason.NONE)

    def seen(unlock: Unlock, since: float) -> dict[int, LockState]:
        waiting = unlock.machine.state.value != "firing"
        return dict.fromkeys(range(5), LockState.UNLOCKED if waiting else LockState.LOCKED)

    setattr(Unlock, "_observe", observe)  # noqa: B010 - the lie is planted here
    setattr(Unlock, "_seen", seen)  # noqa: B010 - and here


if __name__ == "__main__":
    lie()
    sys.exit(main())
