"""What the agent may do with the board that it runs on: [board]."""

from __future__ import annotations

import shlex

from tcu_agent.config.table import Table


def read_suspend_command(table: Table) -> tuple[str, ...]:
    """Return the program that suspends the board, and its arguments; nothing where it stays on."""
    words = _words(table, table.optional_text("suspend_command"))
    table.finish()
    return words


def _words(table: Table, line: str | None) -> tuple[str, ...]:
    if line is None:
        return ()
    try:
        words = tuple(shlex.split(line))
    except ValueError as error:
        table.problem("suspend_command", f"is no command: {error}", "it is not given to a shell")
        return ()
    if not words:
        table.problem("suspend_command", "is empty")
    return words
