"""Where the signing key is: in a file, or in a PKCS#11 token that a URI of RFC 7512 names.

```toml
[keys]
signing = "signing.pem"
```
or
```toml
[keys]
signing = "pkcs11:token=tcu;object=vehicle"
pkcs11_module = "/usr/lib/softhsm/libsofthsm2.so"
pkcs11_pin_file = "token.pin"
```
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from tcu_agent.config.table import Findings, Table, read_toml
from tcu_agent.errors import ConfigError

SCHEME = "pkcs11:"
LABEL_BYTES = 32
"""Source: PKCS#11 v2.40, CK_TOKEN_INFO, label."""
_VALUE = r"(?:[\w\-.:\[\]@!$'()*+,=&~]|%[0-9A-Fa-f]{2})*"
_ATTRIBUTE = re.compile(rf"(?P<name>[a-z][a-z0-9-]*)=(?P<value>{_VALUE})", re.ASCII)
"""Source: RFC 7512, 2.3, pk11-pattr."""
_WANTED = ("token", "object", "type")
_ELSEWHERE = "the module and the PIN stand in pkcs11_module and pkcs11_pin_file, never in the URI"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """A private key in a token. `token`, `label`: as the token and the key in it are labelled."""

    token: str
    label: str
    module: Path
    """The PKCS#11 library of the token's maker."""
    pin_file: Path
    """The user PIN of the token, on one line; mode 0600 or 0400."""

    @property
    def uri(self) -> str:
        """What names it in messages; there is nothing secret in it."""
        return f"{SCHEME}token={self.token};object={self.label}"


SigningKey = Path | TokenKey


def read_signing_key(table: Table) -> SigningKey:
    """Return where the signing key is; what is wrong is noted in the table's findings."""
    if not table.text("signing").startswith(SCHEME):
        return table.path("signing")
    module, pin_file = table.path("pkcs11_module"), table.path("pkcs11_pin_file")
    try:
        return token_key(table.text("signing"), module=module, pin_file=pin_file)
    except ValueError as error:
        table.problem("signing", str(error), "such as pkcs11:token=LABEL;object=LABEL")
        return TokenKey(token="", label="", module=module, pin_file=pin_file)


def read_signing_key_alone(file: Path) -> SigningKey:
    """Return where the tcu.toml in `file` says that the signing key is, whatever else is in it.

    Raises:
        ConfigError: no TOML, or [keys] does not say it.
    """
    findings = Findings(file)
    key = read_signing_key(Table(read_toml(file), key="", findings=findings).table("keys"))
    if findings.problems:
        raise findings.problems[0]
    return key


def token_key(uri: str, *, module: Path, pin_file: Path) -> TokenKey:
    """Return the key that a URI names.

    Raises:
        ValueError: it is no PKCS#11 URI, or not one that names a token and a private key in it.
    """
    path, query_mark, _ = uri.removeprefix(SCHEME).partition("?")
    if query_mark:
        raise ValueError(f"has a query ({_ELSEWHERE})")
    attributes = _attributes(path)
    for name in attributes:
        if name not in _WANTED:
            raise ValueError(f"{name!r} is not understood here; known: {', '.join(_WANTED)}")
    if attributes.get("type", "private") != "private":
        raise ValueError("type must be private")
    missing = [name for name in ("token", "object") if not attributes.get(name)]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    if len(attributes["token"].encode()) > LABEL_BYTES:
        raise ValueError(f"token: a label has at most {LABEL_BYTES} bytes")
    return TokenKey(
        token=attributes["token"], label=attributes["object"], module=module, pin_file=pin_file
    )


def key_by_name(name: str, *, module: Path | None, pin_file: Path | None) -> SigningKey:
    """Return the key that a person names on the command line: a file, or a URI with module and PIN file.

    Raises:
        ConfigError: a URI that is wrong, or without the other two.
    """
    if not name.startswith(SCHEME):
        return Path(name)
    if module is None or pin_file is None:
        raise ConfigError("needs --module and --pin-file", where=name)
    try:
        return token_key(name, module=module, pin_file=pin_file)
    except ValueError as error:
        raise ConfigError(str(error), where=name) from error


def _attributes(path: str) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for part in path.split(";"):
        found = _ATTRIBUTE.fullmatch(part)
        if found is None:
            raise ValueError(f"{part!a} is no attribute of a PKCS#11 URI (name=value)")
        name = found["name"]
        if name in attributes:
            raise ValueError(f"{name} stands there twice")
        try:
            attributes[name] = unquote(found["value"], errors="strict")
        except UnicodeDecodeError:
            raise ValueError(f"{name} is not UTF-8") from None
    return attributes
