"""A disk whose power can be cut, made of device mapper targets. In a guest alone: it mounts, and lies about the boot.

Two ways to lose power, taken in turn. `flakey`: from the cut on no write reaches the device, so what the agent has not
synced is gone (dm-flakey, drop_writes). `log-writes`: the device is made again from the log of what was flushed before
the cut and a random part of what was not (dm-log-writes). After both the kernel seems to have booted anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

from tcu_sim.campaign.errors import CampaignError
from tcu_sim.campaign.power.write_log import (
    BLOCK_BYTES,
    SECTOR_BYTES,
    apply,
    chosen,
    cut_at,
    read_log,
)

IMAGE_BYTES: Final = 16 << 20
LOG_BYTES: Final = 192 << 20
WAYS: Final = ("flakey", "log-writes")
MARK: Final = "cut"
NAME: Final = "tcu-power"
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
LONG_S: Final = 10_000_000
"""Longer than any campaign: dm-flakey changes only when it is told to."""


def check_guest() -> None:
    """Return if this is a guest: on a machine that somebody uses, none of this is to be done.

    Raises:
        CampaignError: it is none.
    """
    if "User Mode Linux" not in Path("/proc/cpuinfo").read_text():
        raise CampaignError("this is no user-mode Linux; start it with `make power-cut`")


@dataclass(slots=True, kw_only=True)
class CutDisk:
    """One ext4 file system on `mounted`. `folder`: of the images, in memory."""

    folder: Path
    mounted: Path
    rng: Random
    way: str = WAYS[0]
    counts: Counter[str] = field(default_factory=Counter)
    """Cuts of each way, and what became of blocks that were written and not flushed (log-writes alone knows)."""
    _loops: tuple[str, ...] = ()
    _sectors: int = IMAGE_BYTES // SECTOR_BYTES

    def __post_init__(self) -> None:
        check_guest()

    @property
    def cuts(self) -> int:
        """How often the power was cut."""
        return sum(self.counts[f"cuts by dm-{way}"] for way in WAYS)

    @property
    def image(self) -> Path:
        """The device's content."""
        return self.folder / "disk.img"

    @property
    def log(self) -> Path:
        """The log device's content."""
        return self.folder / "log.img"

    def make(self) -> None:
        """Make the file system, and mount it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.mounted.mkdir(parents=True, exist_ok=True)
        with self.image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-b", str(BLOCK_BYTES), str(self.image))
        self._boot()
        self.mount()

    def mount(self) -> None:
        """Switch the power on."""
        if self.way == "log-writes":
            with self.log.open("wb") as file:
                file.truncate(LOG_BYTES)
            shutil.copyfile(self.image, self.folder / "base.img")
            self._loops = (_loop(self.image), _loop(self.log))
            table = f"0 {self._sectors} log-writes {self._loops[0]} {self._loops[1]}"
        else:
            self._loops = (_loop(self.image),)
            table = self._flakey(drops=False)
        _run("dmsetup", "create", NAME, "--noudevsync", "--table", table)
        _run("mount", str(self._node()), str(self.mounted))

    def cut(self) -> None:
        """Lose power now, with nobody running on the disk any more; and have it again, mounted."""
        if self.way == "log-writes":
            _run("dmsetup", "message", NAME, "0", "mark", MARK)
            self._let_go()
            self._rebuild()
        else:
            _run("dmsetup", "suspend", "--nolockfs", "--noflush", NAME)
            _run("dmsetup", "load", NAME, "--table", self._flakey(drops=True))
            _run("dmsetup", "resume", "--noudevsync", NAME)
            self._let_go()
        self.counts[f"cuts by dm-{self.way}"] += 1
        self.way = WAYS[1 - WAYS.index(self.way)]
        self._boot()
        self.mount()

    def close(self) -> None:
        """Take it all away."""
        self._let_go()

    def _let_go(self) -> None:
        _run("umount", str(self.mounted))
        _run("dmsetup", "remove", "--noudevsync", NAME)
        for loop in self._loops:
            _run("losetup", "--detach", loop)

    def _rebuild(self) -> None:
        certain, maybe = cut_at(read_log(self.log), MARK)
        kept = list(chosen(maybe, self.rng))
        shutil.copyfile(self.folder / "base.img", self.image)
        apply(self.image, certain)
        apply(self.image, kept)
        blocks = sum(-(-len(write.data) // BLOCK_BYTES) for write in maybe)
        self.counts["blocks not flushed, kept"] += len(kept)
        self.counts["blocks not flushed, lost"] += blocks - len(kept)

    def _flakey(self, *, drops: bool) -> str:
        head = f"0 {self._sectors} flakey {self._loops[0]} 0"
        return f"{head} 0 {LONG_S} 1 drop_writes" if drops else f"{head} {LONG_S} 0"

    def _node(self) -> Path:
        """Return the device's node; there is no udev in a guest to make it."""
        node = self.folder / "device"
        node.unlink(missing_ok=True)
        numbers = _run("dmsetup", "info", "-c", "--noheadings", "-o", "major,minor", NAME)
        major, minor = numbers.strip().split(":")
        os.mknod(node, 0o600 | 0o060000, os.makedev(int(major), int(minor)))
        return node

    def _boot(self) -> None:
        """Let the kernel's boot id be another one: this is what a board's next boot shows."""
        file = self.folder / "boot_id"
        is_first = not file.exists()
        file.write_text(f"{UUID(int=self.rng.getrandbits(128), version=4)}\n")
        if is_first:
            _run("mount", "--bind", str(file), str(BOOT_ID))


def _loop(image: Path) -> str:
    return _run("losetup", "--find", "--show", str(image)).strip()


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CampaignError(f"{' '.join(words)}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout
