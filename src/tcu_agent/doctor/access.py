"""What this user may open, and what the service's user may not: serial adapters, and files with secrets.

A secret's mode must be 0600, so who does not own it cannot read it: the usual trip wire after a `sudo cp`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tcu_agent.config import BusConfig, Config
from tcu_agent.doctor.examination import AS_SERVICE
from tcu_agent.doctor.findings import Finding, failure, note, ok

DEVICES = Path("/dev")
_SERIAL_NAMES = ("ttyACM*", "ttyUSB*", "ttyAMA*", "serial/by-id/*")
_ROOT = 0


def examine_device(bus: BusConfig, *, devices: Path = DEVICES) -> Iterator[Finding]:
    """Yield whether a serial adapter is there and may be opened; nothing where the channel is no path."""
    subject, device = f"can.{bus.name}", Path(bus.channel.split("@")[0])
    if not (device.is_absolute() or _is_relative_path(bus)):
        return
    if not device.exists():
        yield failure(subject, f"there is no {device}", _missing(device, devices), ends=True)
    elif not os.access(device, os.R_OK | os.W_OK):
        group = _name_of_group(device)
        advice = f"usermod -aG {group} USER, and SupplementaryGroups={group} in the service"
        yield failure(subject, f"{device}: this user may not open it", advice, ends=True)
    else:
        yield ok(subject, f"{device} is there and may be opened")


def _is_relative_path(bus: BusConfig) -> bool:
    return bus.interface == "slcan" and "/" in bus.channel and "://" not in bus.channel


def _missing(device: Path, devices: Path) -> str:
    """Return what to do about a device that is not there: dmesg knows nothing of a pseudo terminal."""
    if not device.is_relative_to(devices) or device.is_relative_to(devices / "pts"):
        relative = "" if device.is_absolute() else f"; it is looked for below {Path.cwd()}"
        return f"a pseudo terminal? start what makes it first (such as tcu-sim bus){relative}"
    there = [str(each) for name in _SERIAL_NAMES for each in sorted(devices.glob(name))]
    return f"plug it in (dmesg names it), or name another; there is: {', '.join(there) or 'no serial adapter'}"


def examine_owners(
    config: Config, *, user: Callable[[], int] = os.geteuid, root: int = _ROOT
) -> Iterator[Finding]:
    """Yield which secrets the service cannot read though root, who asks now, can.

    The service's user is the owner of the state directory: systemd, or whoever installed it, has given it to him.
    """
    if user() != root:
        return
    try:
        service = config.state_directory.stat().st_uid
    except OSError:
        service = root
    if service == root:
        yield note(
            "access", "asked as root, who may open everything; the service may not", AS_SERVICE
        )
        return
    others = [file for file in secrets_of(config) if _is_closed_to(file, service)]
    for file in others:
        told = f"{file} is not the service's (its user: {service}), whose state is {config.state_directory}"
        yield failure("access", told, f"chown {service} {file}")
    if not others:
        yield ok("access", f"the service's user ({service}) owns every secret")


def secrets_of(config: Config) -> Sequence[Path]:
    """Return the files that only their owner may read."""
    signing = config.keys.signing
    tls = config.mqtt.tls
    files = (
        signing if isinstance(signing, Path) else signing.pin_file,
        *config.keys.secoc.values(),
        config.mqtt.password_file,
        None if tls is None else tls.key,
    )
    return [file for file in files if file is not None]


def _is_closed_to(file: Path, user: int) -> bool:
    """Return whether it is there and another's; what is missing, `check` says."""
    try:
        status = file.stat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_uid != user


def _name_of_group(file: Path) -> str:
    try:
        return file.group()
    except (OSError, KeyError):
        return "dialout"
