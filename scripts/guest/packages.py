"""Debian packages that a guest needs: installed when they are missing and this may be done, else named."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

from scripts.guest.errors import GuestUnavailable

WHERE = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def missing(packages: Mapping[str, str]) -> list[str]:
    """Return the packages of `packages` (command -> package that brings it) whose command is not there."""
    return sorted({name for command, name in packages.items() if not found(command)})


def found(command: str) -> str | None:
    """Return where the command is; those of root are found for everybody."""
    return shutil.which(command, path=WHERE)


def install_missing(packages: Mapping[str, str]) -> None:
    """Install what is missing of `packages` (command -> Debian package that brings it).

    Raises:
        GuestUnavailable: something is missing and cannot be installed from here; names it.
    """
    names = missing(packages)
    if not names:
        return
    print(f"guest: installing Debian packages: {' '.join(names)} ...", flush=True)
    if shutil.which("apt-get") is None:
        raise GuestUnavailable(
            f"missing: {' '.join(names)} (Debian's names), and there is no apt-get"
        )
    failure = _apt("update") or _apt("install", "--no-install-recommends", *names)
    if missing(packages):
        raise GuestUnavailable(
            f"missing, and not installable from here: {' '.join(names)}\n"
            f"  as root: apt-get install {' '.join(names)}\n{failure}"
        )


def update_lists() -> None:
    """Read the package lists anew; when that fails, the old ones stay."""
    _apt("update")


def _apt(*arguments: str) -> str:
    """Return what apt-get complained of; empty when all went well."""
    become = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = ["-q", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=2"]
    try:
        done = subprocess.run(
            [*become, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *options, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr if done.returncode else ""
