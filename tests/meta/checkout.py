"""The checkout as these tests see it: its root, its files and its Python modules."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE_PARENTS = (ROOT / "src", ROOT / "sim")


@cache
def files() -> tuple[Path, ...]:
    """Return every file that is in git or would be with the next commit."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found = (ROOT / name for name in sorted(set(listing.stdout.split("\0"))) if name)
    return tuple(path for path in found if path.is_file() and not path.is_symlink())


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """Return path relative to the root and content of every text file."""
    pairs = []
    for path in files():
        content = path.read_bytes()
        if b"\0" not in content:
            pairs.append((str(path.relative_to(ROOT)), content.decode("utf-8")))
    return tuple(pairs)


@cache
def _parsed(source: str, path: str) -> ast.Module:
    return ast.parse(source, filename=path)


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file. `name` is dotted for a module of a package, else its path."""

    name: str
    path: str
    source: str

    @property
    def tree(self) -> ast.Module:
        """The module's syntax tree; nobody changes it, so it is made once."""
        return _parsed(self.source, self.path)


def module_name(path: Path) -> str:
    """Return the dotted name of a module, or its path if it is in no package."""
    for parent in PACKAGE_PARENTS:
        if path.is_relative_to(parent):
            parts = path.relative_to(parent).with_suffix("").parts
            return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return str(path.relative_to(ROOT))


@cache
def modules() -> tuple[Module, ...]:
    """Return every Python file of the checkout."""
    return tuple(
        Module(
            name=module_name(path),
            path=str(path.relative_to(ROOT)),
            source=path.read_text(encoding="utf-8"),
        )
        for path in files()
        if path.suffix == ".py"
    )
