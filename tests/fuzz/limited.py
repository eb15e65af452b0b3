"""Inputs to one target in a process of its own, under limits of memory and processor time.

`python -m tests.fuzz.limited TARGET FILE...` prints, for each file, the peak of Python's memory and the time that the
target took. Another status than 0 where the target raised or a limit was met: on the file behind the last line.
"""

from __future__ import annotations

import resource
import sys
import time
import tracemalloc
from pathlib import Path

from tests.fuzz.catalogue import TARGETS

ADDRESS_SPACE_BYTES = 2 << 30
PROCESSOR_S = 60


def main() -> None:
    """Run the target on each file."""
    target, files = TARGETS[sys.argv[1]], sys.argv[2:]
    target.run(next(iter(target.seeds())))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S))
    for file in files:
        data = Path(file).read_bytes()
        tracemalloc.start()
        began = time.process_time()
        target.run(data)
        spent_s = time.process_time() - began
        print(tracemalloc.get_traced_memory()[1], spent_s, flush=True)
        tracemalloc.stop()


if __name__ == "__main__":
    main()
