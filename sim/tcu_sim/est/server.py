"""The enrolment server's HTTP: EST's paths (RFC 7030, 3.2.2) over TLS 1.3, with client certificates asked for."""

from __future__ import annotations

import base64
import binascii
import ssl
from dataclasses import dataclass
from pathlib import Path

from aiohttp import BasicAuth, web
from cryptography import x509

from tcu_sim.errors import BadInput
from tcu_sim.est.authority import common_name_of
from tcu_sim.est.service import Asker, EnrolmentService, Refused

PREFIX = "/.well-known/est"
MOST_BYTES = 16_384


@dataclass(slots=True)
class EstServer:
    """One server on an address. `url` once it is started."""

    service: EnrolmentService
    host: str = "127.0.0.1"
    port: int = 0
    certificate: tuple[Path, Path] | None = None
    """Certificate and key files; made by the authority if none are given."""
    url: str = ""
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            BadInput: not on this address.
        """
        app = web.Application(client_max_size=MOST_BYTES)
        for label in ("", "/signing"):
            for verb in ("simpleenroll", "simplereenroll"):
                app.router.add_post(f"{PREFIX}{label}/{verb}", self._enrol)
        app.router.add_get(f"{PREFIX}/trust", self._trust)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, ssl_context=self._context())
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise BadInput(
                f"cannot listen on {self.host}:{self.port}: {error.strerror or error} "
                "(--host and --port choose another address; --port 0 any free port)"
            ) from error
        self.port = self._runner.addresses[0][1]
        self.url = f"https://{self.host}:{self.port}{PREFIX}"

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _context(self) -> ssl.SSLContext:
        authority = self.service.authority
        certificate, key = self.certificate or authority.server_files(self.host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authority.directory / "ca.pem")
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    async def _enrol(self, request: web.Request) -> web.Response:
        try:
            answer = self.service.enrol(
                _asker(request),
                base64.b64decode(await request.read()),
                is_signing="/signing/" in request.path,
                again=request.path.endswith("/simplereenroll"),
            )
        except binascii.Error:
            return web.Response(status=400, text="not base64")
        except Refused as refused:
            return _no(refused)
        return web.Response(
            body=base64.encodebytes(answer),
            headers={
                "Content-Type": "application/pkcs7-mime; smime-type=certs-only",
                "Content-Transfer-Encoding": "base64",
            },
        )

    async def _trust(self, request: web.Request) -> web.Response:
        try:
            return web.Response(body=self.service.trust(_asker(request)))
        except Refused as refused:
            return _no(refused)


def _asker(request: web.Request) -> Asker:
    certificate = _certificate(request)
    if certificate is not None:
        return Asker(
            certified=common_name_of(certificate.subject), serial=certificate.serial_number
        )
    try:
        login = BasicAuth.decode(request.headers.get("Authorization", ""))
    except ValueError:
        return Asker()
    return Asker(username=login.login, password=login.password)


def _certificate(request: web.Request) -> x509.Certificate | None:
    tls = None if request.transport is None else request.transport.get_extra_info("ssl_object")
    der = None if tls is None else tls.getpeercert(binary_form=True)
    return None if der is None else x509.load_der_x509_certificate(der)


def _no(refused: Refused) -> web.Response:
    headers = {"WWW-Authenticate": 'Basic realm="est"'} if refused.status == 401 else {}
    return web.Response(status=refused.status, text=str(refused), headers=headers)
