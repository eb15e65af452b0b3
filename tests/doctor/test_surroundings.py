"""Clock, certificate and disk, each as it should be and each way it should not."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest

from tcu_agent.adapters.clock import SystemClock
from tcu_agent.config import Config, TlsConfig, load
from tcu_agent.doctor.findings import Level
from tcu_agent.doctor.surroundings import (
    examine_certificate,
    examine_clock,
    examine_storage,
    filesystem_of,
)
from tests.contract.certificates import Authority
from tests.runtime.files import ROOTS, minimal

DAY_S = 86_400


class Clock(SystemClock):
    """One that is, or is not, kept right."""

    synchronised = True

    def is_synchronised(self) -> bool:
        return self.synchronised


def test_a_clock_that_is_kept_right() -> None:
    (found,) = examine_clock(Clock())
    assert found.level is Level.OK


def test_a_clock_that_nothing_keeps_right() -> None:
    clock = Clock()
    clock.synchronised = False
    (found,) = examine_clock(clock)
    assert (found.level, "NTP" in found.advice) == (Level.WARNING, True)


def test_a_clock_in_the_past_and_a_boot_without_an_id(tmp_path: Path) -> None:
    clock = Clock(floor_s=time.time() + DAY_S, boot_id_file=tmp_path / "none")
    assert [each.level for each in examine_clock(clock)] == [Level.FAILURE, Level.WARNING]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "roots.toml").write_text(ROOTS)
    certificate, key = Authority.make(tmp_path, "authority").issue("car-1")
    tls = f'[mqtt.tls]\nca = "{certificate}"\ncertificate = "{certificate}"\nkey = "{key}"\n'
    (tmp_path / "tcu.toml").write_text(minimal().replace("[keys]", tls + "[keys]"))
    return load(tmp_path / "tcu.toml")


@pytest.mark.parametrize(
    ("days", "level", "what"),
    [
        (-400, Level.FAILURE, "good only from"),
        (36_500, Level.FAILURE, "expired"),
    ],
)
def test_a_certificate_at_the_wrong_time(
    config: Config, days: int, level: Level, what: str
) -> None:
    (found,) = examine_certificate(config, now_s=time.time() + days * DAY_S)
    assert (found.level, what in found.what) == (level, True)


def test_a_certificate_that_ends_soon_and_one_that_cannot_be_read(config: Config) -> None:
    tls = config.mqtt.tls
    assert isinstance(tls, TlsConfig)
    assert tls.certificate is not None
    (now,) = examine_certificate(config, now_s=time.time())
    assert now.level in {Level.OK, Level.WARNING}
    tls.certificate.write_text("nothing")
    (found,) = examine_certificate(config, now_s=time.time())
    assert found.level is Level.FAILURE


def mounts(folder: Path, kind: str) -> Path:
    file = folder / "mounts"
    file.write_text(f"/dev/root / ext4 rw 0 0\nnone {folder / 'state'} {kind} rw 0 0\n")
    return file


def test_a_good_directory_is_left_as_it_was(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    found = examine_storage(state, mounts=mounts(tmp_path, "ext4"))
    assert [each.subject for each in found] == ["storage"] * 3
    assert found[0].level is Level.OK
    assert not list(state.iterdir())


def test_state_in_memory_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    found = examine_storage(tmp_path / "state", mounts=mounts(tmp_path, "tmpfs"))
    assert (found[0].level, "gone with the power" in found[0].what) == (Level.FAILURE, True)


def test_a_directory_that_cannot_be_written_to_and_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, so nothing can be put into it")
    found = examine_storage(tmp_path / "state", mounts=mounts(tmp_path, "ext4"))
    assert found[-1].level is Level.FAILURE
    assert [each.level for each in examine_storage(tmp_path / "none")] == [Level.NOTE]


def test_a_directory_behind_a_closed_folder_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(self: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "exists", closed)  # root, who may run this, is let in everywhere
    (found,) = examine_storage(tmp_path / "state")
    assert (found.level, "may not look" in found.what) == (Level.FAILURE, True)
    assert "sudo -u" in found.advice


def test_the_longest_mount_point_holds_a_directory(tmp_path: Path) -> None:
    inside = tmp_path / "state/deep"
    inside.mkdir(parents=True)
    assert filesystem_of(inside, mounts(tmp_path, "f2fs")) == "f2fs"
    assert filesystem_of(tmp_path, mounts(tmp_path, "f2fs")) == "ext4"
    assert filesystem_of(tmp_path, tmp_path / "none") is None
