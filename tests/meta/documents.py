"""The places that the project's documents send a reader to."""

import re
from collections.abc import Iterator
from pathlib import Path

LINK = re.compile(r"\]\((?P<target>[^)\s#]+)(?:#[^)\s]*)?\)")
CODE = re.compile(r"`([^`\n]+)`")
PLACE = re.compile(r"[\w.\-]+(?:/[\w.\-]+)*(?:/|\.(?:py|md|toml|dbc|cddl|vspec))")
"""A path as the documents write it: ends in a slash or in one of the project's own endings."""

BASES = ("", "src/tcu_agent", "sim/tcu_sim")


def dead_links(document: Path) -> list[str]:
    """Return the relative links of a document that lead nowhere."""
    targets = (match["target"] for match in LINK.finditer(document.read_text(encoding="utf-8")))
    return [
        target
        for target in targets
        if not re.match(r"[a-z]+:", target) and not (document.parent / target).exists()
    ]


def dead_places(text: str, root: Path) -> list[str]:
    """Return the paths in backticks that exist neither in the checkout nor beside the one before.

    Beside the one before: a row may say `protocol/cbor.py` and go on with `cose.py`.
    """
    dead = []
    folder = root
    for place in places(text):
        found = [path for base in (*BASES, folder) if (path := root / base / place).exists()]
        if found:
            folder = found[0] if found[0].is_dir() else found[0].parent
        else:
            dead.append(place)
    return dead


def places(text: str) -> Iterator[str]:
    """Yield everything in backticks that is written as a path of the project."""
    for code in CODE.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
        if PLACE.fullmatch(code) and not code.startswith(".."):
            yield code
