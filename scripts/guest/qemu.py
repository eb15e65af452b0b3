"""QEMU without KVM: Debian's own kernel on an emulated PC with two Kvaser PCI CAN controllers on one CAN bus.

The controllers are driven by the kernel's `kvaser_pci` and `sja1000`, as such a card in a real PC is: bit timing, a
transmit queue of ten frames, error counters, restart after bus-off. can0 and can1 are
there when `kvaser_pci` is loaded. About seven times slower than the machine beneath it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scripts.guest.debian_files import kernel_package, unpack
from scripts.guest.errors import GuestUnavailable
from scripts.guest.first_files import archive
from scripts.guest.packages import found, install_missing
from scripts.guest.plan import Plan

PACKAGES: Final = {
    "qemu-system-x86_64": "qemu-system-x86",
    "modprobe": "kmod",
    "ip": "iproute2",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
FIRST: Final = Path(__file__).with_name("first")
FIRST_MODULES: Final = ("virtio_pci", "9pnet_virtio", "9p")
"""What the kernel needs to see this machine's files."""
PROCESSORS: Final = 2


class Qemu:
    """The machine with CAN controllers. `cache`: where the kernel is kept."""

    name = "QEMU"
    output = "/dev/ttyS1"

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._kernel = Path()
        self.modules_folder = Path()

    def prepare(self) -> None:
        """Install what is missing, and have a kernel.

        Raises:
            GuestUnavailable: something cannot be installed or fetched from here.
        """
        install_missing(PACKAGES)
        kept = sorted(self._cache.glob("linux-image-*"))
        self._kernel = kept[-1] if kept else self._cache / kernel_package()
        self.modules_folder = self._kernel / "lib" / "modules"
        unpack(self._kernel.name, self._kernel)
        if not (self.modules_folder / self._release / "modules.dep").exists():
            self._tool("depmod", "-b", str(self._kernel), self._release)
        unpack("busybox-static", self._cache / "busybox-static")

    def argv(self, plan: Plan, *, init: Path, output_fd: int) -> Sequence[str]:
        """Return what starts the guest: its console is standard output, the output of its command `output_fd`."""
        first = init.with_name("first.cpio")
        first.write_bytes(self._first_files())
        return (
            *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-smp", str(PROCESSORS)),
            *("-m", str(plan.memory_mb), "-nodefaults", "-display", "none", "-no-reboot"),
            *("-kernel", str(self._kernel / "boot" / f"vmlinuz-{self._release}")),
            *("-initrd", str(first)),
            *("-append", f"console=ttyS0 loglevel=5 panic=-1 guest={init}"),
            *("-serial", "stdio", "-serial", f"file:/dev/fd/{output_fd}"),
            *("-virtfs", "local,path=/,mount_tag=root,security_model=none,multidevs=remap"),
            *("-object", "can-bus,id=bus"),
            *("-device", "kvaser_pci,canbus=bus", "-device", "kvaser_pci,canbus=bus"),
        )

    @property
    def _release(self) -> str:
        return next(self.modules_folder.iterdir()).name

    def _first_files(self) -> bytes:
        busybox = self._cache / "busybox-static" / "bin" / "busybox"
        files = {"init": FIRST.read_bytes(), "busybox": busybox.read_bytes()}
        for number, module in enumerate(self._first_modules()):
            files[f"modules/{number:02}-{module.name}"] = module.read_bytes()
        return archive(files, folders=("modules", "proc", "root", "dev"))

    def _first_modules(self) -> list[Path]:
        """Return the modules of `FIRST_MODULES` and what they need, in the order in which they can be loaded."""
        where = ("-d", str(self._kernel), "-S", self._release)
        told = [self._tool("modprobe", *where, "--show-depends", one) for one in FIRST_MODULES]
        lines = [line.split() for line in "".join(told).splitlines()]
        return list(dict.fromkeys(Path(words[1]) for words in lines if words[0] == "insmod"))

    def _tool(self, tool: str, *arguments: str) -> str:
        argv = [found(tool) or tool, *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise GuestUnavailable(f"{' '.join(argv)}: {done.stderr.strip()}")
        return done.stdout
