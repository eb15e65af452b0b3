"""Whoever follows a document finds what it names."""

import re
from pathlib import Path

import pytest

from tests.fuzz.catalogue import TARGETS
from tests.meta.checkout import ROOT, files
from tests.meta.documents import dead_links, dead_places

DOCUMENTS = [path for path in files() if path.suffix == ".md"]
MAPS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docs/architecture.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    assert dead_links(document) == []


@pytest.mark.parametrize("document", MAPS, ids=lambda path: path.name)
def test_every_place_on_the_map_exists(document: Path) -> None:
    dead = dead_places(document.read_text(encoding="utf-8"), ROOT)
    assert not dead, "\n".join(dead)


def test_every_target_of_fuzzing_is_described_and_no_other() -> None:
    text = (ROOT / "docs/fuzzing.md").read_text(encoding="utf-8")
    table = text.partition("| target |")[2].partition("\n\n")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", table, flags=re.MULTILINE)
    assert sorted(re.findall(r"`(.*?)`", " ".join(first_cells))) == sorted(TARGETS)


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("[here](b.md#part), [gone](c.md), [out](https://example.org/)")
    (tmp_path / "b.md").touch()
    assert dead_links(document) == ["c.md"]


def test_a_dead_place_is_seen_and_a_neighbour_is_found(tmp_path: Path) -> None:
    (tmp_path / "src/tcu_agent/core").mkdir(parents=True)
    for name in ("unlock.py", "relock.py"):
        (tmp_path / "src/tcu_agent/core" / name).touch()
    text = "`core/unlock.py`, then `relock.py`, `attic.py` and `core/`; `now` is no place"
    assert dead_places(text, tmp_path) == ["attic.py"]
