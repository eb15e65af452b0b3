"""One examination at a time: what cannot be looked at is a finding, and takes no other finding with it.

Whoever calls the doctor has a board on which something is wrong, and not always what somebody has thought of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from tcu_agent.doctor.findings import Finding, failure
from tcu_agent.errors import AgentError

AS_SERVICE = "ask as the service's user: sudo -u tcu-agent tcu-agent doctor -c FILE"


def attempted(subject: str, examination: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what an examination found, and if it had to give up, that as well."""
    found: list[Finding] = []
    try:
        for finding in examination():
            found.append(finding)  # noqa: PERF402 -- what came before it gave up is kept
    except Exception as error:  # noqa: BLE001 -- the other findings are worth more than a traceback
        found.append(given_up(subject, error))
    return found


async def attempted_outside(
    subject: str, examination: Awaitable[Iterable[Finding]]
) -> list[Finding]:
    """Return the same of an examination that waits for the world."""
    try:
        return list(await examination)
    except Exception as error:  # noqa: BLE001 -- as above
        return [given_up(subject, error)]


def given_up(subject: str, error: Exception) -> Finding:
    """Return why something could not be looked at."""
    if isinstance(error, PermissionError):
        return failure(subject, f"this user may not look: {error}", AS_SERVICE)
    if isinstance(error, OSError | AgentError):
        return failure(subject, f"cannot be looked at: {error}", "`tcu-agent check` may say more")
    told = f"the doctor itself fails here: {type(error).__name__}: {error}"
    return failure(subject, told, "the other findings hold; please report this one")
