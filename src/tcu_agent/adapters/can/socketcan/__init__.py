"""SocketCAN by hand, for what python-can hides on a board. Why: docs/adr/0011-a-socketcan-adapter-of-our-own.md."""
