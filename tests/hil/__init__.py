"""On CAN controllers, emulated or real: what only a controller and its driver have.

`make hil` runs tests/socketcan on the same bench, too. docs/real-can.md.
"""
