"""Steps about the owner's app: linking, ten wrong PINs, the way back, the end of the subscription."""

from __future__ import annotations

from tcu_sim.centre.app_client import App, Begun
from tcu_sim.demo.conditions import CAR, from_car, to_car
from tcu_sim.demo.sightings import NotSeenError
from tcu_sim.demo.stage import WRONG, Stage
from tcu_sim.demo.story import Step

PASSWORD = "correct horse battery staple"  # noqa: S105 - a bench's own; the PIN is another secret
LOCK_AT = 10


async def nine_right_nine(stage: Stage) -> str:
    """Nine wrong PINs, the right one links the app; nine wrong ones again, the right one adds a user."""
    since = stage.sightings.mark()
    app = stage.memory.app = await _new_app(stage, "first-account")
    answers = await _enter_wrong(stage, app, await app.begin("app-link", CAR), LOCK_AT - 1)
    linked = await app.link(CAR, stage.pin())
    await stage.executed("app-link", since=since)
    friend = await stage.client.app().create_account("a-friend", PASSWORD)
    begun = await app.begin("add-user", CAR, user_id=friend)
    answers += await _enter_wrong(stage, app, begun, LOCK_AT - 1)
    added = await app.add_user(CAR, friend, stage.pin())
    await stage.executed("add-user", since=since)
    if set(answers) != {WRONG}:
        raise NotSeenError(f"answers to wrong PINs: {answers}")
    return (
        f"2 x {LOCK_AT - 1} wrong PINs: not locked; signed results app-link and add-user executed; "
        f"the app reads {linked.state}, {added.state}"
    )


async def ten_wrong(stage: Stage) -> str:
    """Ten wrong PINs in a row lock the account, also for the right one."""
    since = stage.sightings.mark()
    app = stage.app
    stranger = await stage.client.app().create_account("a-stranger", PASSWORD)
    begun = await app.begin("add-user", CAR, user_id=stranger)
    answers = await _enter_wrong(stage, app, begun, LOCK_AT)
    last = await app.enter_pin(begun, stage.pin())
    if answers[: LOCK_AT - 1] != [WRONG] * (LOCK_AT - 1) or last != "locked":
        raise NotSeenError(f"answers: {answers}, then {last!r} to the right PIN")
    await stage.sightings.settle()
    if stage.sightings.since(since, to_car("account")):
        raise NotSeenError("an account message to the car")
    return f"{LOCK_AT} wrong PINs; the right one then: {last}; nothing sent to the car"


async def new_pin_and_account(stage: Stage) -> str:
    """A new PIN over the call and a new app account: the way back that the manual gives (S11)."""
    since = stage.sightings.mark()
    await stage.operator.reissue(CAR, stage.incident_id)
    await stage.learnt()
    stage.memory.app = await _new_app(stage, "second-account")
    linked = await stage.app.link(CAR, stage.pin())
    await stage.executed("app-link", since=since)
    return f"signed event account-changed, signed result app-link executed; the app reads {linked.state}"


async def end_subscription(stage: Stage) -> str:
    """End the subscription in the app, with the PIN."""
    since = stage.sightings.mark()
    ended = await stage.app.end_subscription(CAR, stage.pin())
    await stage.executed("end-subscription", since=since)
    account = await stage.seen("account", to_car("account"), since=since)
    if account["subscription_active"] or account["users"]:
        raise NotSeenError("an account that is still active, or still has users")
    return f"account without users, signed result executed; the app reads {ended.state}"


async def nothing_works(stage: Stage) -> str:
    """After the end: neither unlock nor position, whoever asks."""
    since = stage.sightings.mark()
    unlock = await stage.operator.draft_unlock(CAR, stage.incident_id)
    await stage.operator.send(unlock)
    seen = await stage.expect_refusal("subscription-ended", since=since)
    mark = stage.sightings.mark()
    position = await stage.operator.draft_snapshot(
        CAR, stage.incident_id, case_id=stage.memory.case_id or bytes(16)
    )
    await stage.operator.send(position)
    await stage.expect_refusal("subscription-ended", since=mark)
    if stage.sightings.since(since, from_car("position")):
        raise NotSeenError("a position on the broker")
    return f"unlock: {seen}; position: the same, none on the broker"


async def _new_app(stage: Stage, login: str) -> App:
    app = stage.client.app()
    await app.create_account(login, PASSWORD)
    await app.sign_in(login, PASSWORD)
    return app


async def _enter_wrong(stage: Stage, app: App, begun: Begun, times: int) -> list[str]:
    wrong = stage.wrong_pin()
    return [await app.enter_pin(begun, wrong) for _ in range(times)]


APP = (
    Step(
        "app: nine wrong PINs, a right one, nine wrong, a right one",
        "not locked; app linked, user added",
        nine_right_nine,
    ),
)
LOCKED = (
    Step("app: ten wrong PINs in a row", "the account is locked", ten_wrong),
    Step("new PIN and new app account", "the app is linked again", new_pin_and_account),
)
END = (
    Step("subscription ended in the app, with PIN", "the car forgets its users", end_subscription),
    Step("unlock and position after the end", "refused: subscription-ended", nothing_works),
)
