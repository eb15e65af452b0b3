"""On the kernel's own CAN: the ports, can-utils as foreign peers, the demo's story, and what happens to real buses.

These tests need CAN in the kernel and make interfaces, so they run in a guest or in a network namespace of their own:
`make socketcan` on vcan, `make hil` on two CAN controllers. Elsewhere they are not collected. docs/real-can.md.
"""
