"""The coverage-guided run of one target: `python -m tests.fuzz.guided TARGET CORPUS [libFuzzer options]`.

`make fuzz` starts it in an environment that has `atheris` (scripts/fuzz). CORPUS is a folder that keeps what brought
new coverage; the target's seeds are put into it first. An input that raises ends the run, with its traceback, and lies
in the folder that -artifact_prefix names.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["tcu_agent", "tcu_sim", "cantools", "textparser", "tomllib", "can.io", "cbor2"],
    enable_loader_override=False,
):
    from tests.fuzz.catalogue import TARGETS
    from tests.fuzz.target import Target


def plant_seeds(target: Target, corpus: Path) -> None:
    """Write the target's seeds into the corpus, each under its hash."""
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)


def main() -> None:
    """Run until libFuzzer has had enough."""
    name, corpus, *options = sys.argv[1:]
    target = TARGETS[name]
    plant_seeds(target, Path(corpus))

    def one_input(data: bytes) -> None:
        target.run(data)

    words = [sys.argv[0], corpus, f"-max_len={target.max_bytes}", *options]
    atheris.Setup(words, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
