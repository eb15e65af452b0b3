"""A key that has left the bundle never comes back: not from here, not by a draft, not on a bench of before."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tcu_sim.cli.main import main
from tcu_sim.pki import bundles, files, offline
from tcu_sim.pki.ceremony import Plan, initialise, publish_trust, read_trust
from tcu_sim.pki.layout import Layout
from tcu_sim.wire.keys import PublicKey
from tcu_sim.wire.messages import Trust
from tcu_sim.wire.numbers import Role
from tcu_sim.wire.trust import record_of

NOW_S = 1_900_000_000
Run = Callable[..., int]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return initialise(tmp_path / "bench", Plan(vehicles=("a",)))


@pytest.fixture
def run(layout: Layout) -> Run:
    return lambda command, *words: main(["pki", command, str(layout.root), *map(str, words)])


def current(layout: Layout) -> Trust:
    return read_trust(layout.vehicle("a"), "bench").trust


def part(layout: Layout, draft: Path, number: int) -> Path:
    out = draft.with_name(f"part-{number}")
    key = layout.root_key(number)
    words = ["--environment", "bench", "--key", str(key), "--out", str(out)]
    assert main(["pki", "sign", str(draft), *words]) == 0
    return out


@pytest.fixture
def retired(layout: Layout, run: Run) -> PublicKey:
    """A command key that has served and left the bundle, without being stolen."""
    old = files.read_signing_key(layout.service("command") / "signing.pem").public
    for words in (("rotate", "command"), ("switch", "command"), ("retire", old.kid.hex())):
        assert run(*words) == 0
    return old


def test_a_key_that_left_the_bundle_never_comes_back(
    layout: Layout, run: Run, retired: PublicKey, capsys: pytest.CaptureFixture[str]
) -> None:
    """A car may have forgotten its mark by then, and would take its old requests for new ones."""
    before = layout.trust.read_bytes()
    assert run("rotate", "command", "--public-key", retired.raw.hex()) == 2
    assert f"key {retired.kid.hex()} has left the bundle before" in capsys.readouterr().err
    assert layout.trust.read_bytes() == before
    assert run("rotate", "command") == 0


def test_a_draft_from_elsewhere_brings_none_back_either(
    layout: Layout, run: Run, retired: PublicKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draft = tmp_path / "draft"
    returned = record_of(Role.COMMAND, retired)
    draft.write_bytes(offline.draft_of(bundles.with_key(current(layout), returned, now_s=NOW_S)))
    before = layout.trust.read_bytes()
    assert run("combine", *(part(layout, draft, number) for number in (1, 2))) == 2
    assert "never comes back" in capsys.readouterr().err
    assert layout.trust.read_bytes() == before


def test_a_bench_without_a_list_of_past_keys_begins_one_with_the_bundle_that_it_has(
    layout: Layout, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    layout.past_keys.unlink()
    old = files.read_signing_key(layout.service("account") / "signing.pem").public
    assert run("revoke", old.kid.hex(), "--replace") == 0
    assert run("epoch") == 0
    unlisted = replace(current(layout), version=2, revoked=())
    publish_trust(layout, unlisted)
    assert run("rotate", "account", "--public-key", old.raw.hex()) == 2
    assert "has left the bundle before" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"nothing\n", b"\xff\n"])
def test_a_list_of_past_keys_that_is_none_stops_every_change(
    layout: Layout, run: Run, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    layout.past_keys.write_bytes(content)
    before = layout.trust.read_bytes()
    assert run("rotate", "command") == 2
    assert "past-keys.txt: cannot be read" in capsys.readouterr().err
    assert layout.trust.read_bytes() == before
