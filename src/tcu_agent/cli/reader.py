"""The reader of standard output may have seen enough, such as `head`: then nothing more is said, not even at exit."""

from __future__ import annotations

import os
import sys


def forget_reader() -> None:
    """Let all further output go nowhere: Python would complain of the broken pipe once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
