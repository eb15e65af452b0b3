"""Four services that share nothing: each tries with another's token, key and store, and gets nowhere."""

from __future__ import annotations

import asyncio
import itertools
import re
from pathlib import Path

import aiohttp
import pytest

from tcu_sim.centre.account.people import QUICK_PASSWORDS
from tcu_sim.centre.build import Surroundings
from tcu_sim.centre.errors import CentreError, NotAllowed
from tcu_sim.centre.http import HttpPeer, serve, write_url
from tcu_sim.centre.identity import read_identity
from tcu_sim.centre.local import LocalCentre, LocalPeer
from tcu_sim.centre.pin.hashing import QUICK
from tcu_sim.pki import files
from tcu_sim.pki.ceremony import Plan, initialise
from tcu_sim.pki.layout import SERVICES
from tcu_sim.pki.tokens import CALLERS, read_token
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import sign, sign_payload
from tcu_sim.wire.errors import WireError
from tests.centre.conftest import Play
from tests.centre.test_evidence import asked
from tests.centre.town import CAR, Loop, MovableClock, Town

EDGES = [(caller, service) for service in SERVICES for caller in CALLERS[service]]


def test_a_token_is_good_at_one_service_alone(play: Play) -> None:
    async def story(town: Town) -> None:
        for (caller, home), foreign in itertools.product(EDGES, SERVICES):
            token = read_token(town.layout, caller=caller, service=home)
            peer = LocalPeer(town.centre, foreign, token)
            allowed = 0
            for operation in town.centre.services[foreign].operations:
                try:
                    await peer.call(operation, {})
                except NotAllowed:
                    continue
                except CentreError:
                    allowed += 1  # past the gate, and that is all that matters here
                else:
                    allowed += 1
            assert bool(allowed) == (home == foreign), (caller, home, foreign)

    play(story)


SENSITIVE = {
    ("pin", "evidence"): {"command", "account"},
    ("pin", "enter"): {"app", "keypad", "operator-1", "operator-2"},
    ("pin", "issue"): {"account"},
    ("pin", "standing"): {"account"},
    ("pin", "ticket-for-app"): {"account"},
    ("pin", "ticket-for-call"): {"command"},
    ("pin", "report-call"): {"telephone", "account"},
    ("desk", "approve"): {"command"},
    ("desk", "positions"): {"desk-clerk"},
    ("desk", "standing"): {"account"},
    ("account", "subscribe"): {"operator-1", "operator-2"},
    ("account", "reissue"): {"operator-1", "operator-2"},
    ("account", "change-begin"): {"app"},
    ("command", "incident-open"): {"telephone", "account"},
    ("command", "grant-again"): {"operator-1", "operator-2"},
}


def test_what_matters_is_open_to_those_who_need_it_alone(play: Play) -> None:
    async def story(town: Town) -> None:
        for (service, operation), callers in SENSITIVE.items():
            offered = town.centre.services[service].operations[operation]
            assert {c for c in CALLERS[service] if offered.allows(c)} == callers, operation

    play(story)


def test_what_another_key_signs_is_no_evidence_approval_or_account(play: Play) -> None:
    async def story(town: Town) -> None:
        case = await asked(town)
        evidence = await case.evidence()
        trust, environment = town.car.trust, town.car.environment
        keys = {
            name: files.read_signing_key(town.layout.service(name) / "signing.pem")
            for name in SERVICES
        }
        assert trust.open(sign(evidence, keys["pin"], environment), m.Evidence).message == evidence
        for name in ("command", "account", "desk"):
            with pytest.raises(WireError, match="wrong-role"):
                trust.open(sign(evidence, keys[name], environment), m.Evidence)
        # nor does a message of one kind pass for another
        request = sign(case.request, keys["command"], environment)
        with pytest.raises(WireError):
            trust.open(request, m.Evidence)
        payload = sign_payload(b"\xa0", typ="evidence", key=keys["pin"], environment=environment)
        with pytest.raises(WireError):
            trust.open(payload, m.Evidence)

    play(story)


def test_each_has_its_own_directory_key_and_store(play: Play) -> None:
    async def story(town: Town) -> None:
        directories = [town.layout.service(name) for name in SERVICES]
        for directory in directories:
            assert directory.stat().st_mode & 0o777 == 0o700
            assert (directory / "signing.pem").stat().st_mode & 0o777 == 0o600
        kids = {read_identity(directory).key.public.kid for directory in directories}
        assert len(kids) == len(SERVICES)
        for name, directory in zip(SERVICES, directories, strict=True):
            assert (directory / "pepper.key").exists() == (name == "pin")
            assert (directory / "hpke.pem").exists() == (name == "desk")

    play(story)


def test_no_store_and_no_log_holds_a_pin_a_password_or_a_position(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        layout = initialise(tmp_path / "bench", Plan(vehicles=(CAR,)))
        around = Surroundings(clock=MovableClock(), pin_cost=QUICK, passwords=QUICK_PASSWORDS)
        centre = LocalCentre(layout, bus=Loop(), around=around)
        await centre.client().operator().subscribe(CAR, address="home")
        pin = (layout.post / "home" / "0001-pin.txt").read_text().strip()[-4:]
        app = centre.client().app()
        await app.create_account("o@example.org", "the password itself")
        await app.sign_in("o@example.org", "the password itself")
        begun = await app.begin("app-link", CAR)
        assert await app.enter_pin(begun, f"{(int(pin) + 1) % 10_000:04d}") == "wrong"
        assert await app.enter_pin(begun, pin) == "right"
        for path in layout.root.rglob("*.db"):
            data = path.read_bytes()
            assert path.stat().st_mode & 0o777 == 0o600
            assert not re.search(rb"(?<![0-9a-zA-Z])%s(?![0-9a-zA-Z])" % pin.encode(), data), path
            assert b"the password itself" not in data
            assert begun.ticket.encode() not in data
            assert app.session.encode() not in data
        assert pin not in re.findall(r"\b\d{4}\b", caplog.text)
        centre.close()

    asyncio.run(story())


def test_over_http_too_a_wrong_token_opens_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        layout = initialise(tmp_path / "bench", Plan(vehicles=(CAR,)))
        around = Surroundings(in_memory=True, pin_cost=QUICK, passwords=QUICK_PASSWORDS)
        centre = LocalCentre(layout, bus=Loop(), around=around)
        server = await serve(centre.services["pin"], read_identity(layout.service("pin")).tokens)
        write_url(layout.run / "pin.url", server.url)
        async with aiohttp.ClientSession() as session:

            def peer(token: str) -> HttpPeer:
                url_file = layout.run / "pin.url"
                return HttpPeer(service="pin", url_file=url_file, token=token, session=session)

            right = peer(read_token(layout, caller="account", service="pin"))
            body = {"app_account": "nobody"}
            assert await right.call("app-account", body) == {"is_locked": False}
            for token in ("", "guess", read_token(layout, caller="account", service="command")):
                with pytest.raises(NotAllowed):
                    await peer(token).call("app-account", body)
            bearer = {"Authorization": f"Bearer {right.token}"}
            for headers, status in (({}, 401), (bearer, 400)):
                url = f"{server.url}/app-account"
                async with session.post(url, data=b"{", headers=headers) as response:
                    assert response.status == status
        await server.close()
        centre.close()

    asyncio.run(story())
