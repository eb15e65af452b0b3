"""A power cut finds a whole identity: what a rename makes visible is on the disk before it, in its directory too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tcu_agent.enrolment import identity_directory
from tcu_agent.enrolment.identity_directory import IdentityDirectory

Deeds = list[tuple[str, str]]


@pytest.fixture
def deeds(monkeypatch: pytest.MonkeyPatch) -> Deeds:
    """Return what is done to the disk, in order: what, and to which file (by name)."""
    done: Deeds = []

    def fsync(handle: int) -> None:
        done.append(("fsync", Path(f"/proc/self/fd/{handle}").readlink().name))
        os.fsync(handle)

    def replace(source: Path, target: Path) -> None:
        done.append(("rename", f"{source.name} -> {target.name}"))
        os.replace(source, target)  # noqa: PTH105 - what is recorded

    def linked(path: Path, target: str, *rest: Any) -> None:
        done.append(("link", f"{path.name} -> {target}"))
        really(path, target, *rest)

    really: Callable[..., None] = Path.symlink_to
    monkeypatch.setattr(Path, "symlink_to", linked)
    recording = SimpleNamespace(**{**vars(os), "fsync": fsync, "replace": replace})
    monkeypatch.setattr(identity_directory, "os", recording)
    return done


def test_all_is_on_the_disk_before_the_link_moves(tmp_path: Path, deeds: Deeds) -> None:
    directory = IdentityDirectory(tmp_path / "identity")
    with directory.alone():
        new = directory.begin(afresh=False)
        directory.put(new / "vehicle.pem", b"certificate")
        directory.install(new)
    assert deeds == [
        ("fsync", "identity"),  # the generation is in its directory
        ("fsync", "vehicle.pem"),  # its file's content,
        ("fsync", "1"),  # and name;
        ("link", "next -> 1"),
        ("fsync", "identity"),  # the new link, before it takes the old one's place,
        ("rename", "next -> current"),
        ("fsync", "identity"),  # and that it has
    ]


def test_another_content_is_on_the_disk_before_it_takes_the_place_of_the_old(
    tmp_path: Path, deeds: Deeds
) -> None:
    file = tmp_path / "trust.cbor"
    file.write_bytes(b"older")
    (tmp_path / "trust.cbor.new").write_bytes(b"left over")
    IdentityDirectory(tmp_path).exchange(file, b"newer")
    assert deeds == [
        ("fsync", "trust.cbor.new"),
        ("rename", "trust.cbor.new -> trust.cbor"),
        ("fsync", tmp_path.name),
    ]
    assert file.read_bytes() == b"newer"
    assert list(tmp_path.iterdir()) == [file]


def test_going_back_is_on_the_disk_before_the_refused_one_goes(
    tmp_path: Path, deeds: Deeds
) -> None:
    directory = IdentityDirectory(tmp_path / "identity")
    with directory.alone():
        for _ in range(2):
            directory.install(directory.begin(afresh=False))
        deeds.clear()
        directory.fall_back()
    assert deeds[-2:] == [("rename", "next -> current"), ("fsync", "identity")]
    assert directory.current.readlink() == Path("1")
    assert not (tmp_path / "identity" / "2").exists()
