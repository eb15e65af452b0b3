"""Rotation, revocation, epochs: each next bundle is one that a car takes; a mistake is refused before roots sign."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tcu_agent.protocol.cose import VerificationKey
from tcu_agent.protocol.trust import Keyring, open_container
from tcu_sim.cli.main import main
from tcu_sim.errors import BadInput
from tcu_sim.pki import bundles, files, offline
from tcu_sim.pki.ceremony import Plan, initialise, read_trust
from tcu_sim.pki.layout import SERVICES, Layout
from tcu_sim.pki.public import read_roots
from tcu_sim.pki.successors import kid_in_use, read_hpke_keys
from tcu_sim.wire.keys import EDDSA, ES256, generate
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


def as_the_car_reads_it(layout: Layout) -> Keyring:
    """Return the bundle as the agent's own implementation opens it."""
    roots = [VerificationKey(alg=k.alg, public_key=k.raw) for k in read_roots(layout.roots).keys]
    data = (layout.vehicle("a") / "trust.cbor").read_bytes()
    return open_container(data, roots=roots, threshold=2, environment="bench")


# ------------------------------------------------------------------ one bundle after another


@pytest.mark.parametrize("service", SERVICES)
def test_a_rotation_from_beginning_to_end(layout: Layout, run: Run, service: str) -> None:
    first, old = as_the_car_reads_it(layout), kid_in_use(layout, service)
    assert run("rotate", service) == 0
    both = as_the_car_reads_it(layout)
    assert both.may_follow(first)
    assert len(both.trust.keys) == 5
    assert both.find(old) is not None
    assert kid_in_use(layout, service) == old
    assert run("retire", old.hex()) == 2  # it is in use
    assert run("switch", service) == 0
    new = kid_in_use(layout, service)
    assert new != old
    assert both.find(new) is not None
    assert run("retire", old.hex()) == 0
    after = as_the_car_reads_it(layout)
    assert after.may_follow(both)
    assert after.find(old) is None
    assert not after.is_revoked(old)
    assert [key.kid for key in after.trust.keys if key.kid == new] == [new]


def test_the_desk_opens_what_was_sealed_before_and_after(layout: Layout, run: Run) -> None:
    before = read_hpke_keys(layout.service("desk"))
    assert len(before) == 1
    sealed_to = as_the_car_reads_it(layout).position_recipient()
    run("rotate", "desk")
    assert as_the_car_reads_it(layout).position_recipient() == sealed_to
    run("switch", "desk")
    keys = read_hpke_keys(layout.service("desk"))
    assert before[0].private_bytes_raw() in [key.private_bytes_raw() for key in keys]
    old = next(r.kid for r in current(layout).keys if r.role is Role.THEFT_DESK)
    run("retire", old.hex())
    recipient = as_the_car_reads_it(layout).position_recipient()
    assert recipient != sealed_to
    assert recipient == keys[0].public_key().public_bytes_raw()


def test_a_stolen_key_is_replaced_in_one_bundle(layout: Layout, run: Run) -> None:
    stolen = kid_in_use(layout, "command")
    first = as_the_car_reads_it(layout)
    assert run("revoke", stolen.hex(), "--replace") == 0
    after = as_the_car_reads_it(layout)
    assert after.may_follow(first)
    assert after.is_revoked(stolen)
    assert after.find(stolen) is None
    assert len([r for r in after.trust.keys if r.role.name == "COMMAND"]) == 1
    assert run("switch", "command") == 0
    assert after.find(kid_in_use(layout, "command")) is not None


def test_a_stolen_key_may_leave_its_role_empty(
    layout: Layout, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stolen = kid_in_use(layout, "command")
    assert run("revoke", stolen.hex()) == 0
    assert "command has no key left" in capsys.readouterr().out
    assert as_the_car_reads_it(layout).is_revoked(stolen)


def test_a_new_epoch_follows_whatever_version_there_was(layout: Layout, run: Run) -> None:
    trust = current(layout)
    jumped = replace(trust, version=2**53 - 1, issued_s=2**53 - 1)
    assert run("epoch") == 0
    after = as_the_car_reads_it(layout)
    assert (after.trust.epoch, after.trust.version) == (2, 1)
    assert bundles.follows(current(layout), jumped)
    assert not bundles.follows(jumped, current(layout))


def test_a_clock_that_was_set_back_makes_no_bundle_that_cars_refuse(layout: Layout) -> None:
    trust = current(layout)
    new = bundles.with_key(trust, record_of(Role.COMMAND, generate().public), now_s=5)
    assert new.issued_s == trust.issued_s
    assert bundles.follows(new, trust)


def test_a_full_list_of_revocations_forgets_the_oldest(layout: Layout) -> None:
    trust = replace(current(layout), revoked=tuple(bytes([n]) * 8 for n in range(32)))
    kid = trust.keys[0].kid
    new = bundles.revoked(trust, kid, now_s=NOW_S)
    assert len(new.revoked) == 32
    assert new.revoked[-1] == kid
    assert offline.read_draft(offline.draft_of(new)) == new


def test_what_would_do_harm_is_refused(layout: Layout) -> None:
    trust = current(layout)
    command, pin = trust.keys[1], trust.keys[0]
    with pytest.raises(BadInput, match="in the bundle already"):
        bundles.with_key(trust, command, now_s=NOW_S)
    gone = bundles.revoked(trust, command.kid, now_s=NOW_S)
    with pytest.raises(BadInput, match="never comes back"):
        bundles.with_key(gone, command, now_s=NOW_S)
    with pytest.raises(BadInput, match="only one of its role"):
        bundles.without_key(trust, command.kid, now_s=NOW_S)
    with pytest.raises(BadInput, match="only key"):
        bundles.revoked(replace(trust, keys=(pin,)), pin.kid, now_s=NOW_S)
    with pytest.raises(BadInput, match="has no key"):
        bundles.revoked(trust, bytes(8), now_s=NOW_S)
    full = trust
    while len(full.keys) < bundles.MOST_KEYS:
        full = bundles.with_key(full, record_of(Role.COMMAND, generate().public), now_s=NOW_S)
    with pytest.raises(BadInput, match="retire one first"):
        bundles.with_key(full, record_of(Role.COMMAND, generate().public), now_s=NOW_S)
    assert offline.read_draft(offline.draft_of(full)) == full


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("switch", "pin"), "rotate first"),
        (("retire", "00" * 8), "has no key"),
        (("revoke", "xyz"), "is no kid"),
        (("revoke", "00" * 7), "is no kid"),
        (("rotate", "command", "--public-key", "00"), "is no public key"),
        (("rotate", "desk", "--public-key", generate().public.raw.hex()), "--hpke-key"),
        (("rotate", "pin", "--hpke-key", "00" * 32, "--public-key", "00"), "--hpke-key"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_a_mistake_changes_nothing(
    layout: Layout, run: Run, words: tuple[str, ...], complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before = layout.trust.read_bytes()
    assert run(*words) == 2
    assert complaint in capsys.readouterr().err
    assert layout.trust.read_bytes() == before


def test_a_next_key_that_the_cars_do_not_know_is_not_taken_into_use(
    layout: Layout, run: Run, tmp_path: Path
) -> None:
    old = kid_in_use(layout, "pin")
    assert run("rotate", "pin", "--draft", tmp_path / "draft") == 0
    assert run("switch", "pin") == 2
    assert kid_in_use(layout, "pin") == old


# ------------------------------------------------------------------ in two steps, with roots elsewhere


@pytest.fixture
def draft(layout: Layout, run: Run, tmp_path: Path) -> Path:
    path = tmp_path / "draft"
    assert run("rotate", "pin", "--draft", path) == 0
    assert current(layout).version == 1
    return path


def part(layout: Layout, draft: Path, number: int, *, environment: str = "bench") -> Path:
    out = draft.with_name(f"part-{number}")
    key = layout.root_key(number)
    words = ["--environment", environment, "--key", str(key), "--out", str(out)]
    assert main(["pki", "sign", str(draft), *words]) == 0
    return out


@pytest.mark.parametrize("numbers", [(1, 2), (3, 1), (1, 2, 3)])
def test_enough_roots_that_sign_apart_make_a_bundle(
    layout: Layout, run: Run, draft: Path, numbers: tuple[int, ...]
) -> None:
    first = as_the_car_reads_it(layout)
    assert run("combine", *(part(layout, draft, number) for number in numbers)) == 0
    assert as_the_car_reads_it(layout).may_follow(first)
    assert run("switch", "pin") == 0


def test_what_is_signed_is_shown(
    layout: Layout, draft: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part(layout, draft, 1)
    text = capsys.readouterr().out
    new = offline.read_draft(draft.read_bytes()).keys[-1]
    assert "bundle epoch 1, version 2" in text
    assert new.public_key.hex() in text


def test_too_few_roots_the_same_root_twice_and_a_stranger(
    layout: Layout, run: Run, draft: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = part(layout, draft, 1)
    stranger = draft.with_name("stranger.pem")
    files.write_signing_key(stranger, generate())
    strange = draft.with_name("strange")
    words = ["--key", str(stranger), "--out", str(strange)]
    assert main(["pki", "sign", str(draft), *words]) == 0
    before = layout.trust.read_bytes()
    for parts in ([first], [first, first], [first, strange]):
        assert run("combine", *parts) == 2
        assert "make no bundle" in capsys.readouterr().err
    assert layout.trust.read_bytes() == before


def test_parts_of_different_drafts_or_environments_do_not_join(
    layout: Layout, run: Run, draft: Path, tmp_path: Path
) -> None:
    first = part(layout, draft, 1)
    assert run("combine", first, part(layout, draft, 2, environment="production")) == 2
    other = tmp_path / "other"
    assert run("epoch", "--draft", other) == 0
    assert run("combine", first, part(layout, other, 2)) == 2
    assert run("combine", first, part(layout, draft, 2)) == 0


def test_a_draft_that_was_overtaken_is_refused(
    layout: Layout, run: Run, draft: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [part(layout, draft, number) for number in (1, 2)]
    assert run("rotate", "account") == 0
    assert run("combine", *parts) == 2
    assert "cannot follow" in capsys.readouterr().err


@pytest.mark.parametrize("alg", [ES256, EDDSA])
@pytest.mark.parametrize("form", ["raw", "DER"])
def test_a_root_in_an_hsm_signs_the_bytes_it_is_given(tmp_path: Path, alg: int, form: str) -> None:
    """The whole life of a bench whose roots were never here: first bundle, then a revocation."""
    roots = [generate(alg), generate(), generate()]
    bench = str(tmp_path / "bench")
    named = [word for root in roots for word in ("--root-key", root.public.raw.hex())]
    assert main(["pki", "init", bench, "--vehicle", "a", *named]) == 0
    layout = Layout(Path(bench))
    assert not layout.trust.exists()
    assert not layout.root_key(1).exists()

    def sign(draft: Path, number: int) -> str:
        root, out = roots[number], tmp_path / f"part-{number}"
        words = [str(draft), "--root", root.public.raw.hex(), "--out"]
        assert main(["pki", "to-sign", *words, str(tmp_path / "bytes")]) == 0
        signature = root.sign((tmp_path / "bytes").read_bytes())
        if form == "DER" and root.public.alg == ES256:
            halves = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            signature = encode_dss_signature(*halves)
        (tmp_path / "signature").write_bytes(signature)
        words += [str(out), "--signature", str(tmp_path / "signature")]
        assert main(["pki", "attach", *words]) == 0
        return str(out)

    parts = [sign(layout.draft, 0), sign(layout.draft, 1)]
    assert main(["pki", "combine", bench, *parts]) == 0
    first = as_the_car_reads_it(layout)
    draft = tmp_path / "next"
    stolen = kid_in_use(layout, "account").hex()
    assert main(["pki", "revoke", bench, stolen, "--replace", "--draft", str(draft)]) == 0
    assert main(["pki", "combine", bench, sign(draft, 2), sign(draft, 0)]) == 0
    assert as_the_car_reads_it(layout).may_follow(first)


def test_a_root_is_replaced_only_when_cars_go_on_believing(
    layout: Layout, run: Run, draft: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, _ = read_roots(layout.roots).keys
    new = generate()
    key = draft.with_name("root-4.pem")
    files.write_signing_key(key, new)
    words = (first.kid.hex(), "--public-key", new.public.raw.hex())
    before = as_the_car_reads_it(layout)
    assert run("replace-root", *words) == 2
    assert "first publish one" in capsys.readouterr().err
    out = draft.with_name("part-4")
    assert main(["pki", "sign", str(draft), "--key", str(key), "--out", str(out)]) == 0
    assert run("combine", part(layout, draft, 1), part(layout, draft, 2), out) == 0
    assert as_the_car_reads_it(layout).may_follow(before)
    assert run("replace-root", *words) == 0
    assert {key.kid for key in read_roots(layout.vehicle("a") / "roots.toml").keys} == {
        new.public.kid, second.kid, read_roots(layout.roots).keys[2].kid,
    }  # fmt: skip
    assert as_the_car_reads_it(layout).trust.version == 2
    for wrong in ((first.kid.hex(), *words[1:]), (second.kid.hex(), *words[1:])):
        assert run("replace-root", *wrong) == 2


def test_a_signature_over_anything_else_is_not_attached(
    layout: Layout, draft: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = files.read_signing_key(layout.root_key(1))
    words = ["pki", "attach", str(draft), "--root", root.public.raw.hex()]
    words += ["--out", str(tmp_path / "part"), "--signature", str(tmp_path / "signature")]
    good = root.sign(offline.to_sign(draft.read_bytes(), root.public, "bench"))
    elsewhere = root.sign(offline.to_sign(draft.read_bytes(), root.public, "production"))
    for signature in (root.sign(draft.read_bytes()), elsewhere, good[:63], b"", b"\x30\x00"):
        (tmp_path / "signature").write_bytes(signature)
        assert main(words) == 2
        assert "signature" in capsys.readouterr().err
    (tmp_path / "signature").write_bytes(good)
    assert main(words) == 0


@pytest.mark.parametrize("content", [b"", b"\xa0", b"no draft", bytes(9000)])
def test_what_is_no_draft_is_never_signed(layout: Layout, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "draft").write_bytes(content)
    words = ["--key", str(layout.root_key(1)), "--out", str(tmp_path / "part")]
    assert main(["pki", "sign", str(tmp_path / "draft"), *words]) == 2
    assert not (tmp_path / "part").exists()
