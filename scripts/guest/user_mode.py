"""User-mode Linux: Debian's 6.1 kernel as an ordinary process. No KVM, no image, up in three seconds.

It has SocketCAN with vcan, CAN_BCM and can-gw, loop devices and the device mapper; no CAN controllers, no
can-isotp, one processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.guest.packages import install_missing
from scripts.guest.plan import Plan

PACKAGES = {
    "linux.uml": "user-mode-linux",
    "modprobe": "kmod",
    "ip": "iproute2",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}


class UserModeLinux:
    """The smaller of the two machines."""

    name = "user-mode Linux"
    modules_folder = Path("/usr/lib/uml/modules")
    output = "/dev/ttyS0"

    def prepare(self) -> None:
        """Install what is missing.

        Raises:
            GuestUnavailable: it cannot be installed from here.
        """
        install_missing(PACKAGES)

    def argv(self, plan: Plan, *, init: Path, output_fd: int) -> Sequence[str]:
        """Return what starts the guest: its console is standard output, the output of its command `output_fd`."""
        return (
            "linux.uml",
            "rootfstype=hostfs",
            "rootflags=/",
            "rw",
            f"mem={plan.memory_mb}M",
            f"init={init}",
            f"uml_dir={init.parent}/",
            "con=null",
            "con0=null,fd:1",
            "ssl=null",
            f"ssl0=null,fd:{output_fd}",
            "noreboot",
            "panic=-1",
        )
