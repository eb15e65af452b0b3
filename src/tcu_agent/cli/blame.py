"""Which setting names a file that cannot be used: whoever reads the file knows its path only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tcu_agent.errors import KeyStoreError, MappingError


@contextmanager
def named_by(setting: str, *, advice: str = "") -> Iterator[None]:
    """Add the setting, such as "[keys] signing", and what to do, to what is wrong with its file.

    Raises:
        KeyStoreError, MappingError: as inside, with the setting. One that has a hint of its own stays as it is.
    """
    hint = f"see {setting}" + (f"; {advice}" if advice else "")
    try:
        yield
    except KeyStoreError as error:
        raise KeyStoreError(f"{error} ({hint})", temporary=error.temporary) from error
    except MappingError as error:
        if error.hint or "\n" in error.what:  # several mistakes: the file itself is the right one
            raise
        raise MappingError(error.what, where=error.where, hint=hint) from error
