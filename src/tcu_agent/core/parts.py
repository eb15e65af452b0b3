"""All parts of the core, put together once; each gets what it needs by name."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.core.account import Adopter
from tcu_agent.core.availability.availability import Reachability
from tcu_agent.core.call.button import Button
from tcu_agent.core.call.oncall import OnCall
from tcu_agent.core.durable.knowledge import Knowledge
from tcu_agent.core.durable.unsaved import Unsaved
from tcu_agent.core.position.fixes import FixSource
from tcu_agent.core.position.position import PositionCase
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.reports.refusals import Refusals
from tcu_agent.core.reports.reports import Reports
from tcu_agent.core.reports.watch import UnlockWatch
from tcu_agent.core.requests import Challenger
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.theft.alarm import TheftNotice
from tcu_agent.core.theft.tow import TowWatch
from tcu_agent.core.unlock.outcomes import Outcomes
from tcu_agent.core.unlock.relock import AutomaticRelock
from tcu_agent.core.unlock.unlock import Unlock
from tcu_agent.core.vehicle import VehicleState
from tcu_agent.core.verify.challenges import ChallengeTable
from tcu_agent.core.verify.verifier import Verifier
from tcu_agent.protocol.trust import root_keys


@dataclass(slots=True, kw_only=True)
class Parts:
    """`is_corrupt`: durable state could not be read; everything remote is refused."""

    settings: CoreSettings
    boot_id: bytes
    boot_session: str
    verifier: Verifier
    knowledge: Knowledge
    challenges: ChallengeTable
    vehicle: VehicleState
    journal: Journal
    unsaved: Unsaved
    outcomes: Outcomes
    refusals: Refusals
    challenger: Challenger
    reports: Reports
    unlock: Unlock
    relock: AutomaticRelock
    position: PositionCase
    adopter: Adopter
    button: Button
    on_call: OnCall
    watch: UnlockWatch
    theft_notice: TheftNotice
    tow: TowWatch
    reachability: Reachability
    is_corrupt: bool = False


def build(
    *, settings: CoreSettings, boot_id: bytes, boot_session: str, stream_id: bytes, now: float
) -> Parts:
    """Return the parts of a core that knows nothing yet."""
    verifier = Verifier(
        vehicle_id=settings.vehicle_id,
        environment=settings.environment,
        boot_id=boot_id,
        roots=root_keys(settings.roots),
        threshold=settings.root_threshold,
    )
    knowledge = Knowledge()
    challenges = ChallengeTable(capacity=settings.challenges_max)
    vehicle = VehicleState(fresh_s=settings.fresh_s)
    journal = Journal(vehicle_id=settings.vehicle_id, boot_id=boot_id, stream_id=stream_id)
    outcomes = Outcomes(journal=journal, kept=settings.outcomes_kept)
    refusals = Refusals(vehicle_id=settings.vehicle_id, boot_id=boot_id, now=now)
    relock = AutomaticRelock(
        settings=settings,
        vehicle=vehicle,
        journal=journal,
        boot_session=boot_session,
        is_unlocking=lambda: unlock.is_acting,
    )
    unlock = Unlock(
        settings=settings,
        vehicle=vehicle,
        journal=journal,
        outcomes=outcomes,
        executed=relock.begin,
        is_locking=lambda: relock.is_locking,
    )
    fixes = FixSource(vehicle=vehicle, fresh_s=settings.fresh_s)
    position = PositionCase(
        settings=settings,
        fixes=fixes,
        journal=journal,
        outcomes=outcomes,
        knowledge=knowledge,
        boot_session=boot_session,
    )
    on_call = OnCall(settings=settings, journal=journal, boot_id=boot_id, boot_session=boot_session)
    unsaved = Unsaved(journal)
    theft_notice = TheftNotice(
        settings=settings,
        vehicle=vehicle,
        journal=journal,
        knowledge=knowledge,
        boot_session=boot_session,
    )
    return Parts(
        settings=settings,
        boot_id=boot_id,
        boot_session=boot_session,
        verifier=verifier,
        knowledge=knowledge,
        challenges=challenges,
        vehicle=vehicle,
        journal=journal,
        unsaved=unsaved,
        outcomes=outcomes,
        refusals=refusals,
        challenger=Challenger(
            settings=settings,
            verifier=verifier,
            knowledge=knowledge,
            challenges=challenges,
            refusals=refusals,
        ),
        reports=Reports(
            settings=settings, vehicle=vehicle, journal=journal, knowledge=knowledge, now=now
        ),
        unlock=unlock,
        relock=relock,
        position=position,
        adopter=Adopter(
            knowledge=knowledge,
            challenges=challenges,
            journal=journal,
            outcomes=outcomes,
            unlock=unlock,
            position=position,
        ),
        button=Button(settings=settings, listener=on_call),
        on_call=on_call,
        watch=UnlockWatch(
            settings=settings,
            vehicle=vehicle,
            journal=journal,
            knowledge=knowledge,
            is_ours=unlock.is_ours,
            now=now,
        ),
        theft_notice=theft_notice,
        tow=TowWatch(
            settings=settings,
            vehicle=vehicle,
            fixes=fixes,
            journal=journal,
            open_case=lambda: position.case_id,
        ),
        reachability=Reachability(
            settings=settings,
            vehicle=vehicle,
            boot_session=boot_session,
            awaits_since=lambda: journal.awaits_since,
            goes_on=lambda now: (
                unlock.request_id is not None
                or relock.is_pending
                or position.request_id is not None
                or on_call.is_on
                or theft_notice.is_counting
                or challenges.has_live(now)
                or not unsaved.is_empty
            ),
        ),
    )
