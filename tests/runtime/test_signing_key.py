"""[keys] signing: a file, or a URI of RFC 7512 with module and PIN file; each mistake with its place."""

import re
from pathlib import Path

import pytest

from tcu_agent.config import TokenKey, examine, load
from tcu_agent.config.signing_key import key_by_name, read_signing_key_alone
from tcu_agent.errors import ConfigError
from tests.runtime.files import ROOTS, minimal

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "tcu.example.toml"
FILE = 'signing = "signing.pem"'
URI = "pkcs11:token=tcu;object=vehicle"
REST = 'pkcs11_module = "/usr/lib/p11.so"\npkcs11_pin_file = "token.pin"'


def write(folder: Path, lines: str) -> Path:
    (folder / "roots.toml").write_text(ROOTS)
    text = minimal()
    assert FILE in text
    (folder / "tcu.toml").write_text(text.replace(FILE, lines))
    return folder / "tcu.toml"


def named(folder: Path, uri: str) -> TokenKey:
    key = load(write(folder, f'signing = "{uri}"\n{REST}')).keys.signing
    assert isinstance(key, TokenKey)
    return key


def test_a_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    assert load(write(tmp_path, FILE)).keys.signing == tmp_path / "signing.pem"


def test_a_uri_names_token_and_key(tmp_path: Path) -> None:
    assert named(tmp_path, URI) == TokenKey(
        token="tcu",
        label="vehicle",
        module=Path("/usr/lib/p11.so"),
        pin_file=tmp_path / "token.pin",
    )


@pytest.mark.parametrize(
    ("uri", "token", "label"),
    [
        ("pkcs11:object=vehicle;type=private;token=tcu", "tcu", "vehicle"),
        ("pkcs11:token=My%20car;object=k%2F1", "My car", "k/1"),
        ("pkcs11:token=Stra%C3%9Fe;object=%3B%3D", "Straße", ";="),
        ("pkcs11:token=a.b_c-d~e;object=x:y@z", "a.b_c-d~e", "x:y@z"),
    ],
)
def test_labels_are_decoded(tmp_path: Path, uri: str, token: str, label: str) -> None:
    key = named(tmp_path, uri)
    assert (key.token, key.label) == (token, label)


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("pkcs11:", "is no attribute"),
        ("pkcs11:token=tcu", "object is missing"),
        ("pkcs11:object=vehicle", "token is missing"),
        ("pkcs11:token=;object=vehicle", "token is missing"),
        ("pkcs11:token=tcu;object=vehicle;", "is no attribute"),
        ("pkcs11:token=tcu;token=tcu;object=vehicle", "token stands there twice"),
        ("pkcs11:token=tcu;object=vehicle;serial=1", "'serial' is not understood"),
        ("pkcs11:token=tcu;object=vehicle;type=public", "type must be private"),
        ("pkcs11:token=tcu;object=vehicle?pin-value=1234", "has a query"),
        ("pkcs11:token=%zz;object=vehicle", "is no attribute"),
        ("pkcs11:token=%ff;object=vehicle", "token is not UTF-8"),
        ("pkcs11:token=a b;object=vehicle", "is no attribute"),
        (f"pkcs11:token={'a' * 33};object=vehicle", "at most 32 bytes"),
    ],
)
def test_a_wrong_uri_is_refused_with_its_place(tmp_path: Path, uri: str, complaint: str) -> None:
    _, findings = examine(write(tmp_path, f'signing = "{uri}"\n{REST}'))
    [problem] = map(str, findings.problems)
    assert re.search(rf"tcu\.toml: keys\.signing: .*{complaint}", problem), problem
    assert "1234" not in problem


@pytest.mark.parametrize("name", ["pkcs11_module", "pkcs11_pin_file"])
def test_a_token_needs_module_and_pin_file(tmp_path: Path, name: str) -> None:
    rest = "\n".join(line for line in REST.splitlines() if not line.startswith(name))
    _, findings = examine(write(tmp_path, f'signing = "{URI}"\n{rest}'))
    [problem] = map(str, findings.problems)
    assert f"keys.{name}: is missing" in problem


def test_module_and_pin_file_are_settings_of_a_token_only(tmp_path: Path) -> None:
    _, findings = examine(write(tmp_path, f"{FILE}\n{REST}"))
    assert len(findings.problems) == 2


def test_what_the_example_shows_in_comments_loads(tmp_path: Path) -> None:
    (tmp_path / "roots.toml").write_text(ROOTS)
    text = EXAMPLE.read_text()
    commented = re.findall(r"^# ((?:signing|pkcs11_\w+) = .*)$", text, re.MULTILINE)
    assert len(commented) == 3
    (tmp_path / "tcu.toml").write_text(text.replace(FILE, "\n".join(commented)))
    assert isinstance(load(tmp_path / "tcu.toml").keys.signing, TokenKey)


def test_the_key_can_be_read_before_anything_else_is_there(tmp_path: Path) -> None:
    file = tmp_path / "tcu.toml"
    file.write_text(f'[keys]\nsigning = "{URI}"\n{REST}\n[more]\nthat = "is wrong"\n')
    assert isinstance(read_signing_key_alone(file), TokenKey)
    file.write_text("[keys]\n")
    with pytest.raises(ConfigError, match=r"keys\.signing: is missing"):
        read_signing_key_alone(file)


def test_a_key_named_on_the_command_line(tmp_path: Path) -> None:
    module, pin_file = Path("m.so"), Path("pin")
    assert key_by_name("a.pem", module=None, pin_file=None) == Path("a.pem")
    key = key_by_name(URI, module=module, pin_file=pin_file)
    assert key == TokenKey(token="tcu", label="vehicle", module=module, pin_file=pin_file)
    with pytest.raises(ConfigError, match="--module and --pin-file"):
        key_by_name(URI, module=module, pin_file=None)
    with pytest.raises(ConfigError, match="token is missing"):
        key_by_name("pkcs11:object=x", module=module, pin_file=pin_file)
