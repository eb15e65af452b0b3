"""A vehicle of a few lines: it signs what a vehicle signs, believes what it is told, and opens its doors."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace

from tcu_sim.pki import files
from tcu_sim.pki.ceremony import read_trust
from tcu_sim.pki.layout import Layout
from tcu_sim.pki.public import read_vehicles
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import look, read, sign
from tcu_sim.wire.numbers import (
    ACCOUNT_SERVICES,
    Lock,
    Outcome,
    Presence,
    Quality,
    Relock,
    Service,
    Told,
)
from tcu_sim.wire.sealing import Fix, label_of, seal

Send = Callable[[str, bytes], Awaitable[None]]
TTL_S = 60
HERE = Fix(quality=Quality.FIX_3D, wall_time_ms=0, latitude_e7=577089000, longitude_e7=119746000)


class LightVehicle:
    """Feed it with `receive`; it answers through `send(type, bytes)`."""

    def __init__(self, layout: Layout, vehicle_id: str, send: Send) -> None:
        self.vehicle_id = vehicle_id
        self.environment = read_vehicles(layout.vehicles).environment
        self.key = files.read_signing_key(layout.vehicle(vehicle_id) / "signing.pem")
        self.trust = read_trust(layout.vehicle(vehicle_id), self.environment)
        self.send = send
        self.boot_id = secrets.token_bytes(8)
        self.stream_id = secrets.token_bytes(8)
        self.seq = 0
        self.account: m.Account | None = None
        self.challenges: dict[bytes, m.Challenge] = {}
        self.requests: list[m.Request] = []
        self.grants: list[m.Grant] = []
        self.calls: list[m.Call] = []
        self.acks: list[m.Ack] = []
        self.position_acks: list[m.PositionAck] = []
        self.ended_cases: list[bytes] = []
        self.results: dict[bytes, m.Result] = {}
        self.refuses: int | None = None
        """Reason with which every request is refused, if set."""
        self.outcome = (Outcome.EXECUTED, 0)
        self.learns = True
        """Whether account messages get through."""

    async def receive(self, message_type: str, payload: bytes) -> None:
        handlers = {
            "request": self._on_request,
            "grant": self._on_grant,
            "account": self._on_account,
        }
        if message_type in handlers:
            await handlers[message_type](payload)
        elif message_type == "call":
            self.calls.append(self.trust.open(payload, m.Call).message)
        elif message_type == "ack":
            self.acks.append(self.trust.open(payload, m.Ack).message)
        elif message_type == "position-ack":
            self.position_acks.append(self.trust.open(payload, m.PositionAck).message)
        elif message_type == "case-end":
            self.ended_cases.append(self.trust.open(payload, m.CaseEnd).message.case_id)

    async def say(self, message: m.Message) -> bytes:
        data = sign(message, self.key, self.environment)
        await self.send(message.TYP, data)
        return data

    async def press_on_call(self) -> bytes:
        incident_id = secrets.token_bytes(16)
        await self.tell(Told.ON_CALL_PRESSED, incident_id=incident_id)
        return incident_id

    async def tell(self, kind: int, **fields: object) -> m.Event:
        self.seq += 1
        event = m.Event(
            vehicle_id=self.vehicle_id,
            boot_id=self.boot_id,
            kind=kind,
            seq=self.seq,
            boot_time_ms=1000 * self.seq,
            wall_time_ms=0,
            values={},
            stream_id=self.stream_id,
            reason=0,
        )
        event = replace(event, **fields)  # type: ignore[arg-type]  # a test names the fields
        await self.say(event)
        return event

    async def come_online(
        self,
        presence: Presence = Presence.ONLINE,
        connection: int = 1,
        asleep_until_s: int | None = None,
    ) -> None:
        await self.say(
            m.Availability(
                vehicle_id=self.vehicle_id,
                boot_id=self.boot_id,
                connection=connection,
                presence=presence,
                asleep_until_s=asleep_until_s,
            )
        )

    async def send_position(
        self, request_id: bytes, case_id: bytes, seq: int, fix: Fix = HERE
    ) -> None:
        position = m.Position(
            vehicle_id=self.vehicle_id,
            request_id=request_id,
            case_id=case_id,
            seq=seq,
            stream_id=self.stream_id,
            sealed=bytes(48),
        )
        label = label_of(position, self.environment)
        await self.say(replace(position, sealed=seal(fix, label, self.trust.desk_recipient())))

    async def send_lost(self, case_id: bytes, seq: int) -> None:
        lost = m.Position(
            vehicle_id=self.vehicle_id, case_id=case_id, seq=seq, stream_id=self.stream_id
        )
        await self.say(lost)

    async def _on_request(self, payload: bytes) -> None:
        verified = self.trust.open(payload, m.Request)
        request = verified.message
        self.requests.append(request)
        if self.refuses is not None:
            await self.say(
                m.Refusal(
                    vehicle_id=self.vehicle_id,
                    request_id=request.request_id,
                    boot_id=self.boot_id,
                    reason=self.refuses,
                )
            )
        elif request.service is Service.STATE:
            values = {"Vehicle.Cabin.Door.Row1.DriverSide.IsLocked": True}
            await self.tell(Told.STATE_REPORT, request_id=request.request_id, values=values)
        else:
            await self.say(self.challenge_for(request, verified.hash))

    def challenge_for(self, request: m.Request, request_hash: bytes) -> m.Challenge:
        account = self.account
        challenge = m.Challenge(
            vehicle_id=self.vehicle_id,
            service=request.service,
            request_id=request.request_id,
            nonce=secrets.token_bytes(16),
            boot_id=self.boot_id,
            request_hash=request_hash,
            trust_version=self.trust.trust.version,
            trust_epoch=self.trust.trust.epoch,
            account_version=account.version if account else 0,
            ownership_generation=account.ownership_generation if account else 0,
            pin_generation=account.pin_generation if account else 0,
            ttl_s=TTL_S,
        )
        self.challenges[request.request_id] = challenge
        return challenge

    async def _on_grant(self, payload: bytes) -> None:
        verified = self.trust.open(payload, m.Grant)
        grant = verified.message
        self.trust.open(grant.evidence, m.Evidence)
        if grant.approval is not None:
            self.trust.open(grant.approval, m.Approval)
        self.grants.append(grant)
        await self._conclude(grant, verified.hash)

    async def _on_account(self, payload: bytes) -> None:
        verified = self.trust.open(payload, m.Account)
        account = verified.message
        if not self.learns or (self.account and account.version <= self.account.version):
            return
        self.account = account
        await self.tell(
            Told.ACCOUNT_CHANGED, values={"Vehicle.TCU.Account.Version": account.version}
        )
        if account.evidence is not None:
            evidence = read(look(account.evidence), m.Evidence)
            await self._conclude(evidence, verified.hash)

    async def _conclude(self, common: m.Grant | m.Evidence, payload_hash: bytes) -> None:
        known = self.results.get(common.request_id)
        if known is None:
            self.seq += 1
            outcome, reason = self.outcome
            doors = (
                {} if common.service in ACCOUNT_SERVICES else dict.fromkeys(range(5), Lock.UNLOCKED)
            )
            known = m.Result(
                vehicle_id=self.vehicle_id,
                service=common.service,
                request_id=common.request_id,
                nonce=common.nonce,
                boot_id=common.boot_id,
                outcome=outcome,
                reason=reason,
                grant_hash=payload_hash,
                locks=doors,
                relock=Relock.AGENT,
                seq=self.seq,
                stream_id=self.stream_id,
            )
            self.results[common.request_id] = known
        await self.say(known)
