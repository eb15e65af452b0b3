"""The story, in order. Slow things overlap: while a time runs, the steps that do not need its end are played."""

from __future__ import annotations

from tcu_sim.demo.stage import Stage
from tcu_sim.demo.steps_app import APP, END, LOCKED
from tcu_sim.demo.steps_forgery import FORGERIES, STOLEN_KEY
from tcu_sim.demo.steps_oncall import CALL, NEW_PIN
from tcu_sim.demo.steps_position import NO_POSITION, STOP_TIME, THEFT
from tcu_sim.demo.steps_secrets import SECRETS
from tcu_sim.demo.steps_unlock import LOCKED_AGAIN, UNLOCK
from tcu_sim.demo.story import Step

STEPS: tuple[Step[Stage], ...] = (
    *CALL,
    UNLOCK[0],
    *STOLEN_KEY,
    *UNLOCK[1:],
    *FORGERIES,
    *NO_POSITION,
    *LOCKED_AGAIN,
    *THEFT,
    *APP,
    *NEW_PIN,
    *LOCKED,
    *STOP_TIME,
    *END,
    *SECRETS,
)
AT_THE_CAR: tuple[Step[Stage], ...] = tuple(
    step for step in STEPS if step not in {*APP, *LOCKED, *END, *SECRETS}
)
"""Those in which something is sent on CAN, or must not be; app, account and the search for secrets are left out."""
