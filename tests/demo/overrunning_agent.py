"""An agent that tracks eight seconds longer than the desk has signed, and tells so truly. It exists to be caught.

Run as `python -m tests.demo.overrunning_agent run -c FILE`, in the place of `tcu-agent`.
"""

import sys

from tcu_agent.cli.main import main
from tcu_agent.core.position.position import PositionCase
from tcu_agent.core.step import Step
from tcu_agent.core.verify.authorisation import PositionAuthorisation

OVER_S = 8.0


def overrun() -> None:
    """Let every tracking end later than it has to."""
    lawful = PositionCase.accept

    def accept(case: PositionCase, step: Step, grant: PositionAuthorisation) -> None:
        lawful(case, step, grant)
        if case._job is not None:
            case._job.until += OVER_S

    setattr(PositionCase, "accept", accept)  # noqa: B010 - the lie is planted here


if __name__ == "__main__":
    overrun()
    sys.exit(main())
