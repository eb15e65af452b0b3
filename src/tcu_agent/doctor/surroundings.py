"""Clock, certificate and disk: what no line of the configuration shows."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile

from cryptography import x509

from tcu_agent.adapters.clock import NO_BOOT_SESSION, SystemClock
from tcu_agent.config import Config
from tcu_agent.doctor.examination import given_up
from tcu_agent.doctor.findings import Finding, failure, note, ok, warning

_MOUNTS = Path("/proc/mounts")
_VOLATILE = {"tmpfs", "ramfs", "overlay"}
"""Filesystems that are gone, or may be, after a power cut (an overlay often lies on a tmpfs)."""
_FREE_BYTES = 64 << 20
_SLOW_SYNC_S = 0.25
_SOON_S = 30 * 86_400
_SYNCS = 5


def examine_clock(clock: SystemClock) -> Sequence[Finding]:
    """Return whether the time can be believed."""
    found = []
    if clock.wall() is None:
        advice = "no RTC, or its battery is empty: TLS refuses every certificate until NTP or GNSS has set the clock"
        found.append(failure("clock", f"says {_date(time.time())}, which is past", advice))
    elif not clock.is_synchronised():
        found.append(
            warning(
                "clock",
                f"{_date(time.time())}; nothing keeps it right (adjtimex)",
                "run an NTP client (chrony, systemd-timesyncd); without it tracking ends at a power cut",
            )
        )
    else:
        found.append(ok("clock", f"{_date(time.time())}, synchronised"))
    if clock.boot_session() == NO_BOOT_SESSION:
        advice = "mount /proc: without a boot id every restart of the agent counts as a power cut"
        found.append(warning("clock", "the kernel's boot id cannot be read", advice))
    return found


def examine_certificate(config: Config, *, now_s: float) -> Sequence[Finding]:
    """Return how long the TLS certificate lasts; nothing where there is none."""
    if config.mqtt.tls is None or config.mqtt.tls.certificate is None:
        return ()
    file = config.mqtt.tls.certificate
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError) as error:
        return (failure("certificate", f"{file}: {error}", "see [mqtt.tls] certificate"),)
    left_s = certificate.not_valid_after_utc.timestamp() - now_s
    until = f"{file} is good until {certificate.not_valid_after_utc:%Y-%m-%d}"
    if certificate.not_valid_before_utc.timestamp() > now_s:
        begins = f"{file} is good only from {certificate.not_valid_before_utc:%Y-%m-%d}"
        return (failure("certificate", begins, "the clock is wrong, or the certificate is"),)
    if left_s <= 0:
        return (failure("certificate", f"{until}: it has expired", "have a new one issued"),)
    if left_s < _SOON_S:
        return (warning("certificate", until, "renew it now"),)
    return (ok("certificate", until),)


def examine_storage(directory: Path, *, mounts: Path = _MOUNTS) -> Sequence[Finding]:
    """Return whether what is written there stays. A nameless file is written and synced."""
    try:
        if not directory.exists():
            return (note("storage", f"{directory}: not there yet; the agent makes it"),)
    except PermissionError as error:  # a folder above it is closed to this user
        return (given_up("storage", error),)
    found = [_filesystem(directory, mounts), _room(directory), _sync(directory)]
    return [finding for finding in found if finding is not None]


def _filesystem(directory: Path, mounts: Path) -> Finding | None:
    kind = filesystem_of(directory, mounts)
    if kind not in _VOLATILE:
        return None if kind is None else ok("storage", f"{directory} is on {kind}")
    advice = "G2 (at most once) and ON CALL need state that outlives the power: name a directory on flash or disk"
    return failure("storage", f"{directory} is on {kind}: gone with the power", advice)


def filesystem_of(directory: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the type of the filesystem that holds a directory, or None where it cannot be told."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    place, best, kind = directory.resolve(), -1, None
    for line in lines:
        fields = line.split()
        point = Path(fields[1].encode().decode("unicode_escape"))
        if (point == place or point in place.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind


def _room(directory: Path) -> Finding:
    free = shutil.disk_usage(directory).free
    if free < _FREE_BYTES:
        advice = "a full disk delays events and refuses unlocks: make room, or give the agent a partition of its own"
        return warning("storage", f"{free >> 20} MiB free", advice)
    return ok("storage", f"{free >> 20} MiB free")


def _sync(directory: Path) -> Finding:
    times = []
    try:
        with TemporaryFile(dir=directory) as stream:
            for _ in range(_SYNCS):
                started = time.monotonic()
                stream.write(bytes(4096))
                stream.flush()
                os.fdatasync(stream.fileno())
                times.append(time.monotonic() - started)
    except OSError as error:
        advice = "the agent cannot keep its state: owner and mode of the directory, read-only mount, worn-out flash?"
        return failure("storage", f"{directory}: {error.strerror}", advice)
    middle = sorted(times)[_SYNCS // 2]
    if middle > _SLOW_SYNC_S:
        advice = "each unlock waits for two of these: a slow or worn-out medium, or another writer"
        return warning("storage", f"a sync takes {middle * 1000:.0f} ms", advice)
    return ok("storage", f"a sync takes {middle * 1000:.1f} ms")


def _date(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
