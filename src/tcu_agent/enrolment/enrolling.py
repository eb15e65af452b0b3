"""Enrolment from key to installed identity.

In these steps, each of which may fail and leave the old identity in force:

1. the vehicle's signing key is made, if there is none (file or token); the TLS key is made anew for each certificate,
   in a file, since Python's TLS cannot use a token;
2. the TLS key is certified: with the certificate in force as long as that lasts, else with the one-time password. The
   key of an attempt that stopped half-way is used again, for the password is good for that key alone from then on;
3. the signing key is entered at the centre, unless the certificate in force of it says that it is already;
4. the trust bundle is fetched, and believed if the configured roots have signed it; an older one is left where it is;
5. all of it goes in force in one step, unless a broker refuses the new certificate and takes the old one. The agent
   takes it up at its next connection.

A broker that could not be asked then may refuse it later: each further call asks again as long as the certificate
before is within its dates, and goes back to that if the broker takes it. The trust bundle does not go back with it, nor
what says that the signing key is entered.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tcu_agent.adapters.clock import BUILD_FLOOR_S
from tcu_agent.adapters.cloud.verdict import Verdict, broker_verdict
from tcu_agent.adapters.keys.secret_file import read_secret
from tcu_agent.adapters.keys.signing_key import PrivateSigner, create_key, load_signer
from tcu_agent.config import Config, EnrolmentConfig
from tcu_agent.enrolment import judging
from tcu_agent.enrolment.csr import public_key_info, request_for
from tcu_agent.enrolment.est import ClientIdentity, EstClient, check_authority
from tcu_agent.enrolment.identity_directory import (
    CERTIFICATE,
    KEY,
    SIGNING,
    TRUST,
    IdentityDirectory,
)
from tcu_agent.errors import (
    ConfigError,
    EnrolmentError,
    KeyStoreError,
    MalformedError,
    NoSuchKeyError,
)
from tcu_agent.protocol.trust import Keyring, open_container, root_keys

_SIGNING_LABEL = "signing"
_ASK = "ask the back end for a new one and put it there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """What there is now. `is_new`: whether this run brought it."""

    is_new: bool
    is_fallen_back: bool
    """The broker refuses the certificate that was in force; the one before is again."""
    ends: str
    """Last day of the certificate, ISO 8601."""
    kid: str
    trust_version: int
    trust_epoch: int


def enrol(
    config: Config,
    *,
    now_s: float | None = None,
    is_forced: bool = False,
    with_password: bool = False,
) -> Enrolled:
    """Enrol, or renew what ends soon (or in any case). `now_s`: s since 1970-01-01, for tests.

    `with_password`: in any case, and by the one-time password even if a certificate is in force (that may be revoked).

    Raises:
        ConfigError: [enrolment] is missing, or other settings do not fit it.
        EnrolmentError: the server refused or is out of reach, or what it sent is not fit to be installed.
        KeyStoreError: a key cannot be made or used.
    """
    wanted = fitting(config)
    directory = IdentityDirectory(wanted.directory)
    check_authority(wanted.ca)
    now = _believable(time.time() if now_s is None else now_s)
    with directory.alone():
        signer = _signer(config)
        enrolment = _Enrolment(config, wanted, directory, signer, now)
        old = judging.read_certificate(directory.current / CERTIFICATE)
        if old is None or is_forced or with_password or enrolment.is_due(old):
            return enrolment.run(old, is_forced=is_forced, with_password=with_password)
        if enrolment.is_refused_for_another():
            enrolment.fall_back()
            return enrolment.described(is_fallen_back=True)
        return enrolment.described()


@dataclass(frozen=True, slots=True)
class _Enrolment:
    config: Config
    wanted: EnrolmentConfig
    directory: IdentityDirectory
    signer: PrivateSigner
    now_s: float | None

    def is_due(self, old: x509.Certificate) -> bool:
        """Whether something is not there or ends soon."""
        is_entered = self._entered() is not None
        ends_soon = judging.is_due(old, now_s=self.now_s, before_days=self.wanted.renew_before_days)
        return ends_soon or not is_entered

    def run(
        self, old: x509.Certificate | None, *, is_forced: bool, with_password: bool
    ) -> Enrolled:
        new = self.directory.begin(afresh=is_forced and old is not None)
        client = self._client(None if with_password else old)
        tls_signer = _tls_key(new / KEY)
        certificate = client.enrol(self._request(tls_signer))
        self._check(certificate, tls_signer, None if with_password else old)
        self.directory.put(new / CERTIFICATE, certificate.public_bytes(Encoding.PEM))
        self.directory.put(new / SIGNING, self._enter(client).public_bytes(Encoding.PEM))
        self.directory.put(new / TRUST, self._trust(client))
        if self._lasts(old) and self._is_worse(new, than=self.directory.current):
            what = "the broker refuses the new certificate and takes the one in force, which stays"
            raise EnrolmentError(what, temporary=True)
        self.directory.install(new)
        return self.described(is_new=True)

    def is_refused_for_another(self) -> bool:
        """Whether a broker refuses what is in force, and takes the generation before it, which has not ended."""
        before = self.directory.before
        if before is None or not self._lasts(judging.read_certificate(before / CERTIFICATE)):
            return False
        return self._is_worse(self.directory.current, than=before)

    def fall_back(self) -> None:
        """Put the generation before in force again, with what goes along of the one that was."""
        before = self.directory.before
        if before is not None:
            # Before it is in force: at no step is an older bundle than the one that was, or no word of our signing key.
            for name in self._goes_along(before):
                content = (self.directory.current / name).read_bytes()
                self.directory.exchange(before / name, content)
        self.directory.fall_back()

    def _goes_along(self, before: Path) -> Iterator[str]:
        """Return the files of the generation in force that are more than those of the one before.

        The newer trust bundle of the two, and the certificate of the signing key if the one before is of a former key:
        without it, each further call would ask for a one-time password.
        """
        if self._is_trust_newer(self.directory.current, than=before):
            yield TRUST
        if self._entered_in(self.directory.current) and not self._entered_in(before):
            yield SIGNING

    def _is_trust_newer(self, generation: Path, *, than: Path) -> bool:
        trust = self._trust_in(generation)
        return trust is not None and judging.is_newer(trust, self._trust_in(than))

    def _is_worse(self, generation: Path, *, than: Path) -> bool:
        return self._verdict(generation) is Verdict.REFUSED and self._verdict(than) is Verdict.TAKEN

    def _verdict(self, generation: Path) -> Verdict:
        """Ask the brokers one after the other, until one has an answer."""
        for broker in self.config.mqtt.each_broker:
            verdict = broker_verdict(
                broker, certificate=generation / CERTIFICATE, key=generation / KEY
            )
            if verdict in {Verdict.TAKEN, Verdict.REFUSED}:
                return verdict
        return Verdict.UNKNOWN

    def _lasts(self, certificate: x509.Certificate | None) -> bool:
        """Whether there is one within its dates, as far as the clock is known to be right."""
        if certificate is None:
            return False
        return self.now_s is None or judging.is_in_force(certificate, self.now_s)

    def described(self, *, is_new: bool = False, is_fallen_back: bool = False) -> Enrolled:
        certificate = judging.read_certificate(self.directory.current / CERTIFICATE)
        keyring = self._trust_in(self.directory.current)
        if certificate is None or keyring is None:
            raise EnrolmentError(
                f"{self.directory.current}: damaged (enrol with --force)", temporary=False
            )
        return Enrolled(
            is_new=is_new,
            is_fallen_back=is_fallen_back,
            ends=f"{certificate.not_valid_after_utc:%Y-%m-%d}",
            kid=self.signer.kid.hex(),
            trust_version=keyring.trust.version,
            trust_epoch=keyring.trust.epoch,
        )

    def _client(self, old: x509.Certificate | None) -> EstClient:
        return EstClient(url=self.wanted.url, ca=self.wanted.ca, identity=self._identity(old))

    def _identity(self, old: x509.Certificate | None) -> ClientIdentity:
        """Return the certificate in force while it lasts, else the one-time password."""
        current = self.directory.current
        if self._lasts(old) and self._entered() is not None:
            return ClientIdentity(certificate=current / CERTIFICATE, key=current / KEY)
        file = self.wanted.password_file
        if file is None:
            what = "no certificate in force (or it is not to be used), and no one-time password configured"
            raise ConfigError(what, where="[enrolment] password_file", hint=_ASK)
        return ClientIdentity(username=self.config.vehicle_id, password=read_secret(file).strip())

    def _request(self, signer: PrivateSigner) -> bytes:
        return request_for(signer, common_name=self.config.vehicle_id)

    def _check(
        self, new: x509.Certificate, signer: PrivateSigner, old: x509.Certificate | None
    ) -> None:
        judging.check_certificate(
            new,
            old=old,
            public_key_info=public_key_info(signer),
            common_name=self.config.vehicle_id,
            now_s=self.now_s,
        )

    def _entered(self) -> x509.Certificate | None:
        return self._entered_in(self.directory.current)

    def _entered_in(self, generation: Path) -> x509.Certificate | None:
        """Return a generation's certificate of the signing key, if it is of the key that there is."""
        known = judging.read_certificate(generation / SIGNING)
        is_ours = known is not None and judging.public_key_of(known) == public_key_info(self.signer)
        return known if is_ours else None

    def _enter(self, client: EstClient) -> x509.Certificate:
        known = self._entered()
        if known is not None:
            return known
        certificate = client.enrol(self._request(self.signer), label=_SIGNING_LABEL)
        self._check(certificate, self.signer, None)
        return certificate

    def _trust(self, client: EstClient) -> bytes:
        """Return the server's trust bundle, or ours where that is not older."""
        container = client.trust()
        try:
            keyring = self._opened(container)
        except MalformedError as error:
            raise judging.bad_bundle(error) from error
        if judging.is_newer(keyring, self._trust_in(self.directory.current)):
            return container
        return (self.directory.current / TRUST).read_bytes()

    def _trust_in(self, generation: Path) -> Keyring | None:
        """Return a generation's trust bundle, None = there is none that can be believed."""
        try:
            return self._opened((generation / TRUST).read_bytes())
        except (OSError, MalformedError):
            return None

    def _opened(self, container: bytes) -> Keyring:
        trust = self.config.trust
        return open_container(
            container,
            roots=root_keys(trust.roots),
            threshold=trust.threshold,
            environment=self.config.environment,
        )


def fitting(config: Config) -> EnrolmentConfig:
    """Return [enrolment], if the rest of the configuration uses what it installs.

    Raises:
        ConfigError: it is missing, or other settings name something else.
    """
    wanted = config.enrolment
    if wanted is None:
        raise ConfigError("is missing", where="[enrolment]", hint="see docs/enrolment.md")
    current = IdentityDirectory(wanted.directory).current
    tls = config.mqtt.tls
    for where, file, name in (
        ("mqtt.tls.certificate", None if tls is None else tls.certificate, CERTIFICATE),
        ("mqtt.tls.key", None if tls is None else tls.key, KEY),
        ("trust.bundle", config.trust.bundle, TRUST),
    ):
        if file != current / name:
            hint = f"write {current / name}"
            what = "is not what `tcu-agent enrol` installs"
            raise ConfigError(what, where=f"{config.file}: {where}", hint=hint)
    if not config.trust.roots:
        raise ConfigError("no root keys: nothing could be believed", where="[trust] roots")
    return wanted


def _signer(config: Config) -> PrivateSigner:
    """Return the signing key, made if there is none; one that is there and cannot be used is never made anew.

    A token that refuses the PIN, or is away, is not asked again: it would count that as another wrong try.
    """
    where = config.keys.signing
    if isinstance(where, Path):
        if not where.exists():
            create_key(where)
        return load_signer(where)
    try:
        return load_signer(where)
    except NoSuchKeyError:
        create_key(where)
        return load_signer(where)


def _tls_key(file: Path) -> PrivateSigner:
    """Return the key of an attempt that stopped half-way, which the server may know by now, or a new one."""
    try:
        return load_signer(file)
    except KeyStoreError:
        file.unlink(missing_ok=True)
        create_key(file)
        return load_signer(file)


def _believable(now_s: float) -> float | None:
    return now_s if now_s >= BUILD_FLOOR_S else None
