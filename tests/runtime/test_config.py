"""tcu.toml: the example is whole, and each mistake is said with its place and what to do."""

import re
import tomllib
from pathlib import Path

import pytest

from tcu_agent.config import REFERENCE_MAPPING, Config, examine, load
from tcu_agent.errors import ConfigError
from tcu_agent.protocol.vocabulary import Relock, Service
from tests.runtime.files import ROOTS, minimal

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "tcu.example.toml"
CHOSEN_BY_A_PERSON = re.compile(r"(can\.bus\.|keys\.secoc|can\.bus\.body\.options)")


def write(folder: Path, text: str) -> Path:
    (folder / "roots.toml").write_text(ROOTS)
    (folder / "tcu.toml").write_text(text)
    return folder / "tcu.toml"


def problems(folder: Path, text: str) -> list[str]:
    config, findings = examine(write(folder, text))
    assert (config is None) == bool(findings.problems)
    return [str(problem) for problem in findings.problems]


def changed(line: str, by: str) -> str:
    text = minimal()
    assert line in text
    return text.replace(line, by)


def flat(table: dict[str, object], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for name, value in table.items():
        keys.add(prefix + name)
        if isinstance(value, dict):
            keys |= flat(value, f"{prefix}{name}.")
    return keys


def test_the_example_loads_and_lists_every_field_that_there_is(tmp_path: Path) -> None:
    (tmp_path / "roots.toml").write_text(ROOTS)
    file = tmp_path / "tcu.toml"
    file.write_text(EXAMPLE.read_text())
    config, findings = examine(file)
    assert findings.problems == []
    assert config is not None
    written = flat(tomllib.loads(EXAMPLE.read_text()))
    assert set(findings.asked) - written == set()


def test_the_examples_values_are_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "roots.toml").write_text(ROOTS)
    file = tmp_path / "tcu.toml"
    file.write_text(EXAMPLE.read_text())
    example, plain = load(file), load(write(tmp_path / ".", minimal()))
    for name in ("services", "unlock_modes", "relock", "relock_after_s", "press_ms", "stuck_s"):
        assert getattr(example.core, name) == getattr(plain.core, name)
    assert example.core.snapshot_wait_s == plain.core.snapshot_wait_s
    assert example.mqtt.session_expiry_s == plain.mqtt.session_expiry_s


def test_the_least_that_is_needed_loads_with_safe_defaults(tmp_path: Path) -> None:
    config = load(write(tmp_path, minimal()))
    assert config.mapping == REFERENCE_MAPPING
    assert config.mqtt.protocol == "5"
    assert config.mqtt.client_id == "tcu-car-1"
    assert config.mqtt.is_plain_text
    assert config.core.services == frozenset(Service)
    assert config.core.relock is Relock.AGENT
    assert config.core.root_threshold == 2
    assert len(config.core.roots) == 2
    assert config.state_directory == tmp_path / "state"
    assert config.warnings == ()


def test_values_arrive_where_they_belong(tmp_path: Path) -> None:
    config: Config = load(
        write(
            tmp_path,
            minimal()
            + '[unlock]\nrelock = "none"\nusage_modes = ["inactive"]\nfresh_s = 3\n'
            + "[on_call]\npress_ms = 200\n[position]\nsnapshot_wait_s = 5\n",
        )
    )
    assert config.core.relock is Relock.NONE
    assert config.core.unlock_modes == {"inactive"}
    assert config.core.fresh_s == 3.0
    assert config.core.press_ms == 200
    assert config.core.snapshot_wait_s == 5.0


@pytest.mark.parametrize(
    ("line", "by", "complaint"),
    [
        ('id = "car-1"', 'id = "car 1"', r"vehicle\.id: 'car 1' does not match"),
        ('id = "car-1"', "id = 1", r"vehicle\.id: must be a text, not a whole number"),
        ('id = "car-1"', 'identity = "x"', r"vehicle\.identity: is no setting"),
        ("schema = 1", "schema = 2", r"schema: this agent reads schema 1, not 2"),
        ("schema = 1", "", r"schema: is missing"),
        ("port = 1883", "port = 70000", r"mqtt\.port: 70000 is not in 1\.\.65535"),
        ("port = 1883", "port = true", r"mqtt\.port: must be a whole number, not true or false"),
        ("port = 1883", "prot = 1883", r"mqtt\.prot: is no setting \(did you mean 'port'\?\)"),
        ("port = 1883", 'protocol = "4"', r"mqtt\.protocol: '4' is none of 3\.1\.1, 5"),
        ('host = "127.0.0.1"', "", r"mqtt\.host: is missing"),
        ('host = "127.0.0.1"', 'host = "b.example.com"', r"mqtt\.host: plain text to b\.example"),
        ('signing = "signing.pem"', "", r"keys\.signing: is missing"),
        ('roots = "roots.toml"', "", r"trust\.roots: is missing"),
        ('roots = "roots.toml"', 'roots = "none.toml"', r"none\.toml: cannot be read: No such"),
        ('signing = "signing.pem"', r'signing = "\u0000"', r"keys\.signing: has a NUL character"),
        ("[keys]", '[keys.secoc]\na = "a\\u0000"\n[keys]', r"keys\.secoc\.a: has a NUL character"),
        ('host = "127.0.0.1"', r'host = "1\u0000"', r"mqtt\.host: has a NUL character"),
        ("[can.bus.body]", "[can.buss.body]", r"can\.buss: is no setting \(did you mean 'bus'"),
        ("[can.bus.body]", "[can.bus.body]\nbitrate = 5", r"can\.bus\.body\.bitrate: 5 is not in"),
        ("[can.bus.body]", "[can.bus.body]\nfd = 1", r"can\.bus\.body\.fd: must be true or false"),
        ("[state]", "[states]", r"state\.directory: is missing"),
        ("[keys]", "[mqtt.tls]\nca = 'a'\nkey = 'k'\n[keys]", r"certificate and key belong toge"),
        ("[keys]", "[mqtt.tls]\n[keys]", r"mqtt\.tls\.ca: is missing"),
        ("[keys]", "[log]\nlevel = 'loud'\n[keys]", r"log\.level: 'loud' is none of debug"),
        ("[keys]", "[unlock]\nrelock_after_s = 5.0\n[keys]", r"relock_after_s: 5\.0 is not in 10"),
        ("[keys]", "[unlock]\nrelock = 'me'\n[keys]", r"unlock\.relock: 'me' is none of agent"),
        ("[keys]", "[unlock]\nusage_modes = ['driving']\n[keys]", r"'driving' is none of abandon"),
        ("[keys]", "[on_call]\npress_ms = '1'\n[keys]", r"on_call\.press_ms: must be a whole num"),
        (
            "[keys]",
            "[unlock]\narmed_window_max_s = 20\narmed_window_min_s = 30\n[keys]",
            "is above",
        ),
    ],
)
def test_a_mistake_is_said_with_its_place(
    tmp_path: Path, line: str, by: str, complaint: str
) -> None:
    found = problems(tmp_path, changed(line, by))
    assert any(re.search(complaint, problem) for problem in found), found
    assert all("toml: " in problem for problem in found)


def test_what_may_stand_there_is_listed_once(tmp_path: Path) -> None:
    for wrong in ("usage_modes = ['driving']", "relock = 'me'"):
        (found,) = problems(tmp_path, changed("[keys]", f"[unlock]\n{wrong}\n[keys]"))
        assert "is none of " in found
        assert "known:" not in found


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, minimal() + "\n[log\n")
    assert re.search(r"tcu\.toml: is no TOML: .*line \d+", found)


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    text = minimal().replace("port = 1883", "port = 0").replace("[state]", "[sate]")
    assert len(problems(tmp_path, text)) == 3
    with pytest.raises(ConfigError, match="3 problems"):
        load(tmp_path / "tcu.toml")


def test_bytes_that_are_no_text_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "tcu.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "tcu.toml")
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml")


def test_plain_text_is_for_loopback_unless_somebody_insists(tmp_path: Path) -> None:
    away = 'host = "192.0.2.1"\nallow_plain_text = true'
    config = load(write(tmp_path, changed('host = "127.0.0.1"', away)))
    assert ["plain text" in warning for warning in config.warnings] == [True]
    for host in ("localhost", "::1", "127.1.2.3"):
        text = changed('host = "127.0.0.1"', f'host = "{host}"')
        assert load(write(tmp_path, text)).warnings == ()


@pytest.mark.parametrize(
    ("line", "by", "complaint"),
    [
        ("threshold = 2", "threshold = 1", r"roots\.toml: threshold: 1 is not in 2\.\.8"),
        ("threshold = 2", "threshold = 3", r"roots\.toml: root: 2 different keys; needed: 3"),
        ("alg = -8", "alg = -7", r"root\[1\]\.public_key: is no public key of algorithm -7"),
        ("alg = -8", "alg = 'EdDSA'", r"root\[1\]\.alg: must be a whole number, not a text"),
        ('public_key = "', 'public_key = "z', r"root\[1\]\.public_key: .* does not match"),
        ("threshold = 2", "threshold = 2\nextra = 1", r"roots\.toml: extra: is no setting"),
    ],
)
def test_a_wrong_roots_file_is_refused(tmp_path: Path, line: str, by: str, complaint: str) -> None:
    file = write(tmp_path, minimal())
    (tmp_path / "roots.toml").write_text(ROOTS.replace(line, by, 1))
    found = [str(problem) for problem in examine(file)[1].problems]
    assert any(re.search(complaint, problem) for problem in found), found


def test_the_same_root_twice_is_one_root(tmp_path: Path) -> None:
    file = write(tmp_path, minimal())
    head, first, _ = ROOTS.split("[[root]]")
    (tmp_path / "roots.toml").write_text(f"{head}[[root]]{first}[[root]]{first}")
    found = [str(problem) for problem in examine(file)[1].problems]
    assert any("1 different keys" in problem for problem in found), found


def test_a_misspelt_host_is_one_mistake_and_not_two(tmp_path: Path) -> None:
    found = problems(tmp_path, changed("host =", "hots ="))
    assert [each.split(": ", 1)[1] for each in found] == [
        "mqtt.host: is missing (must be a text)",
        "mqtt.hots: is no setting (did you mean 'host'?)",
    ]


def test_a_path_has_no_detours_unless_they_matter(tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "far" / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "below")
    for written, expected in (("near/../state", "state"), ("link/../state", "link/../state")):
        config = load(write(tmp_path, changed('"state"', f'"{written}"')))
        assert str(config.state_directory) == f"{tmp_path}/{expected}"


def test_the_patience_with_a_broker_is_enough_for_a_link_of_30_s_each_way(tmp_path: Path) -> None:
    patient = changed("[mqtt]", "[mqtt]\ntimeout_s = 300\nkeepalive_s = 150")
    assert load(write(tmp_path, patient)).mqtt.timeout_s == 300
    [problem] = problems(tmp_path, changed("[mqtt]", "[mqtt]\ntimeout_s = 301"))
    assert "timeout_s" in problem
    assert "300" in problem
