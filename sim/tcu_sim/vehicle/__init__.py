"""The virtual vehicle: ECUs that behave and misbehave, and the world they measure and move.

World (truth): `body` doors and lock motors, `motion` speed and position. ECUs (what CAN says): `bcm` with
`central_locking`, `command_gate` and `alarm`; `on_call`, `stability`, `satellites`; `babbler`, a hostile node.
Each ECU is sans-I/O: `receive(frame, now)`, `handle_timer(now)`, `next_deadline()`. `vehicle` composes them and has the
same three. `runner` puts it on a bus; `language` steers it by lines of text.

E2E and SecOC are written here from dbc/README.md alone: the agent has its own, so a shared mistake cannot hide.
"""
