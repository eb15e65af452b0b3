"""HTTP around a service: ``POST /<operation>`` with a bearer token and a JSON object, on the loopback alone.

Bodies are never logged: they carry PINs and passwords. Answers: 200 and the reply; 403 `denied` with the word; 400 a
field is wrong; 401 not with this token (also where there is no such operation); 503 a service behind it is away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tcu_sim.centre.api import Reply, Service, dispatch
from tcu_sim.centre.errors import BadCall, CentreError, Denied, NotAllowed, ServiceUnreachable
from tcu_sim.pki.tokens import TokenCheck

LOOPBACK = "127.0.0.1"
LARGEST_BODY_BYTES = 65536
CALL_TIMEOUT_S = 75.0
"""Above `news.LONGEST_WAIT_S`, so that a caller that waits for news is not cut off."""
BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class Server:
    """A running HTTP server of a service."""

    url: str
    runner: web.AppRunner = field(repr=False)

    async def close(self) -> None:
        """Stop taking calls."""
        await self.runner.cleanup()


async def serve(service: Service, tokens: TokenCheck) -> Server:
    """Start serving on a free port of the loopback."""

    async def handle(request: web.Request) -> web.Response:
        status, reply = await _answer(service, tokens, request)
        return web.json_response(reply, status=status)

    app = web.Application(client_max_size=LARGEST_BODY_BYTES)
    app.router.add_post("/{operation}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0)
    await site.start()
    port = runner.addresses[0][1]
    return Server(f"http://{LOOPBACK}:{port}", runner)


async def _answer(
    service: Service, tokens: TokenCheck, request: web.Request
) -> tuple[int, Mapping[str, object]]:
    given = request.headers.get("Authorization", "")
    token = given.removeprefix(BEARER) if given.startswith(BEARER) else ""
    if tokens.caller_of(token) is None:
        return 401, {"error": f"{service.name}: not with this token"}
    try:
        body = _object(await request.read())
        operation = request.match_info["operation"]
        return 200, await dispatch(service, tokens, operation=operation, token=token, body=body)
    except Denied as error:
        return 403, {"denied": error.word, "detail": error.detail}
    except BadCall as error:
        return 400, {"error": str(error)}
    except NotAllowed as error:
        return 401, {"error": str(error)}
    except ServiceUnreachable as error:
        return 503, {"error": str(error)}


def _object(data: bytes) -> Mapping[str, object]:
    try:
        body = json.loads(data or b"{}")
    except ValueError as error:
        raise BadCall("the body is no JSON") from error
    if not isinstance(body, dict):
        raise BadCall("the body is no JSON object")
    return body


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPeer:
    """The way to a service over HTTP. `url_file`: where the service says how to reach it."""

    service: str
    url_file: Path
    token: str = field(repr=False)
    session: aiohttp.ClientSession = field(repr=False)

    async def call(self, operation: str, body: Mapping[str, object]) -> Reply:
        """Call an operation.

        Raises:
            Denied, BadCall, NotAllowed, ServiceUnreachable: see `api.Peer`.
        """
        try:
            url = self.url_file.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            what = f"{self.service} does not answer: it has left no address in {self.url_file}"
            raise ServiceUnreachable(f"{what} (does `tcu-sim centre` run?)") from error
        try:
            timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
            async with self.session.post(
                f"{url}/{operation}",
                json=body,
                headers={"Authorization": f"{BEARER}{self.token}"},
                timeout=timeout,
            ) as response:
                return _reply(self.service, response.status, await response.json())
        except (TimeoutError, OSError, aiohttp.ClientError, ValueError) as error:
            # The cause names hosts and ports at most, but it is not needed either.
            raise ServiceUnreachable(f"{self.service} does not answer at {url}") from error


def _reply(service: str, status: int, reply: dict[str, Any]) -> Reply:
    if status == 200:
        return reply
    if status == 403:
        raise Denied(str(reply.get("denied")), str(reply.get("detail", "")))
    errors: dict[int, type[CentreError]] = {400: BadCall, 401: NotAllowed}
    raise errors.get(status, ServiceUnreachable)(str(reply.get("error", f"{service}: {status}")))


def write_url(path: Path, url: str) -> None:
    """Say where a service can be reached, in one step, so that nobody reads half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(f"{url}\n", encoding="ascii")
    draft.replace(path)


def remove_url(path: Path) -> None:
    """Say that the service has gone."""
    with suppress(FileNotFoundError):
        path.unlink()
