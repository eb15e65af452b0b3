"""Plays the recording on a SocketCAN interface: ``python -m benchmarks.player vcan0 5`` (seconds of it).

Says "ready", plays after a line on standard input, says "done".
"""

from __future__ import annotations

import socket
import sys
import threading

from benchmarks.drive import frames, play
from tcu_agent.adapters.can.socketcan.frames import pack
from tcu_agent.ports import CanFrame

_ROOM_S = 0.002


def main(channel: str, seconds: float) -> None:
    """Play, waiting for room where the driver has none."""
    what = frames(seconds)
    raws = {id(frame): pack(frame) for frame in what}
    with socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as bus:
        bus.bind((channel,))

        def send(frame: CanFrame) -> None:
            while True:
                try:
                    bus.send(raws[id(frame)])
                except OSError:
                    threading.Event().wait(_ROOM_S)
                else:
                    return

        print("ready", flush=True)
        sys.stdin.readline()
        play(what, send)
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
