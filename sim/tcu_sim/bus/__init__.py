"""A CAN bus between processes, for machines whose kernel has none; and the simulator's frame.

`frame` is the value, `slcan` its spelling on a serial line, `channel` one node's side of the
LAWICEL dialogue, `pty_link` the pseudo terminal under it. `router` passes frames on, with `faults`
and, if asked, the time they take on the `wire`. `hub` is the process; `in_process` the same router
for nodes that live in one event loop.
"""
