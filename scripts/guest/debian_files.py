"""Files of Debian packages, unpacked into a cache and not installed: this machine shall not boot a kernel of ours."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from scripts.guest.errors import GuestUnavailable
from scripts.guest.packages import update_lists

LEFT_OUT: Final = ("*/drivers/gpu/*", "*/drivers/media/*", "*/wireless/*", "*/sound/*", "*/doc/*")
"""Most of a kernel package, and of no use in a guest."""


def kernel_package() -> str:
    """Return the package that Debian's newest kernel is in.

    Raises:
        GuestUnavailable: the package lists name none.
    """
    for attempt in range(2):
        if attempt:
            update_lists()
        told = _asked("apt-cache", "depends", "linux-image-amd64")
        if match := re.search(r"Depends: (linux-image-\S+)", told):
            return match[1]
    raise GuestUnavailable("the package lists of this machine have no linux-image-amd64 (Debian)")


def unpack(package: str, into: Path) -> None:
    """Have the package's files under `into`; nothing is done when they are there.

    Raises:
        GuestUnavailable: it cannot be fetched or unpacked.
    """
    if into.is_dir():
        return
    into.parent.mkdir(parents=True, exist_ok=True)
    print(f"guest: fetching Debian's {package} ...", flush=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=into.parent) as folder:
        place = Path(folder)
        archive = _fetched(package, place)
        files = place / "files"
        files.mkdir()
        _unpacked(archive, files)
        if into.is_dir():  # another run was quicker
            return
        files.rename(into)


def _fetched(package: str, folder: Path) -> Path:
    for attempt in range(2):
        if attempt:
            update_lists()
        subprocess.run(
            ["apt-get", "-q", "download", package],
            cwd=folder,
            capture_output=True,
            timeout=600,
            check=False,
        )
        for archive in folder.glob("*.deb"):
            return archive
    raise GuestUnavailable(f"Debian's package {package} cannot be fetched (apt-get download)")


def _asked(*argv: str) -> str:
    if shutil.which(argv[0]) is None:
        raise GuestUnavailable(f"there is no {argv[0]}: this needs Debian or one of its children")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout


def _unpacked(archive: Path, into: Path) -> None:
    left_out = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as tar:
        status = subprocess.run(
            ["tar", "-x", "-C", into, *left_out], stdin=tar.stdout, timeout=300, check=False
        ).returncode
    if status or tar.returncode:
        raise GuestUnavailable(f"{archive.name} cannot be unpacked into {into}")
