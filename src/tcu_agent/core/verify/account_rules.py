"""What an account state may change, compared with the stored one. Source: docs/protocol.md, "Account" (A3 to A12)."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from tcu_agent.core.verify.steps import Denial, demand
from tcu_agent.protocol.messages import Account, Request, UserParameters
from tcu_agent.protocol.trust import Keyring
from tcu_agent.protocol.vocabulary import Reason, Service


def check_order(stored: Account | None, new: Account, *, keyring: Keyring | None) -> None:
    """A3: the epoch is the trust bundle's, and (epoch, version) is above the stored one.

    Raises:
        Denial: it is not.
    """
    of_epoch = keyring is not None and new.epoch == keyring.trust.epoch
    detail = f"epoch {new.epoch} is not that of the trust bundle"
    demand(of_epoch, Reason.STALE_VERSION, detail)
    if stored is not None:
        above = (new.epoch, new.version) > (stored.epoch, stored.version)
        detail = f"version {new.version} of epoch {new.epoch} is not above the stored one"
        demand(above, Reason.STALE_VERSION, detail)


def check_change(stored: Account | None, new: Account) -> None:
    """A4 to A8: what holds with or without evidence.

    Raises:
        Denial: a change that the account service may not make.
    """
    orderly = new.subscription_active or not new.users
    demand(orderly, Reason.CHANGE_NOT_ALLOWED, "users of a subscription that has ended")  # A4
    if stored is None:
        bare = not new.users and new.evidence is None
        demand(bare, Reason.CHANGE_NOT_ALLOWED, "the first account state has no users")  # A5
        return
    if stored.epoch == new.epoch:
        rising = (
            new.ownership_generation >= stored.ownership_generation
            and new.pin_generation >= stored.pin_generation
        )
        demand(rising, Reason.GENERATION_MISMATCH, "a generation goes down")  # A6
    if new.ownership_generation != stored.ownership_generation:
        _check_new_owner(stored, new)
    if new.subscription_active and not stored.subscription_active:
        detail = "an ended subscription comes back with a new owner or a new PIN alone"
        demand(_generations(new) != _generations(stored), Reason.CHANGE_NOT_ALLOWED, detail)  # A8


def _check_new_owner(stored: Account, new: Account) -> None:
    """A7."""
    demand(not new.users, Reason.CHANGE_NOT_ALLOWED, "users of the former owner")
    renewed = stored.epoch != new.epoch or new.pin_generation > stored.pin_generation
    demand(renewed, Reason.CHANGE_NOT_ALLOWED, "a new owner without a new PIN")


def _generations(account: Account) -> tuple[int, int]:
    return account.ownership_generation, account.pin_generation


def needs_evidence(stored: Account, new: Account) -> bool:
    """A9: whether somebody must have given the PIN for this change."""
    if new.ownership_generation != stored.ownership_generation:
        return False
    added = set(new.users) - set(stored.users)
    ended = stored.subscription_active and not new.subscription_active
    return bool(added) or ended


def check_exactly(stored: Account, new: Account, request: Request) -> None:
    """A11: the change is the one that the PIN was given for, and no other.

    Raises:
        Denial: another service, or anything more or less.
    """
    wanted = replace(stored, version=new.version, evidence=new.evidence)
    if request.service in {Service.APP_LINK, Service.ADD_USER}:
        user_id = cast(
            "UserParameters", request.parameters
        ).user_id  # the codec ties it to the service
        wanted = replace(wanted, users=tuple(sorted({*stored.users, user_id})))
    elif request.service is Service.END_SUBSCRIPTION:
        wanted = replace(wanted, users=(), subscription_active=False)
    else:
        raise Denial(Reason.SERVICE_MISMATCH, "evidence of a service that changes no account")
    detail = "more or something else changes than the PIN was given for"
    demand(new == wanted, Reason.CHANGE_NOT_ALLOWED, detail)


def kills_challenges(stored: Account | None, new: Account) -> Reason | None:
    """Return why challenges issued under the stored account are void now, None if they are not."""
    if not new.subscription_active:
        return Reason.SUBSCRIPTION_ENDED
    if stored is None or (stored.epoch, *_generations(stored)) != (new.epoch, *_generations(new)):
        return Reason.GENERATION_MISMATCH
    return None
