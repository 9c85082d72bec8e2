"""Change times say that a file is the same only where no program can set them."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from croplayer.files import change_times
from croplayer.files.change_times import COARSE_NS, YOUNG_NS, signature_of

pytestmark = pytest.mark.skipif(
    change_times._file_system(os.path.realpath("/tmp")) not in change_times.TRUSTED,
    reason="the file system of the temporary folder is not trusted",
)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file that is no longer young."""
    path = tmp_path / "tile.jpg"
    path.write_bytes(b"first")
    time.sleep(2 * YOUNG_NS / 1e9)
    return path


def signature(*paths: Path) -> str:
    time.sleep(2 * YOUNG_NS / 1e9)
    return signature_of(str(path) for path in paths)


def test_every_way_to_other_bytes_changes_the_signature(old: Path) -> None:
    first, status = signature(old), old.stat()
    assert len(first) == 32 and signature(old) == first
    old.write_bytes(b"other")
    os.utime(old, ns=(status.st_atime_ns, status.st_mtime_ns))
    rewritten = signature(old)
    copy = old.with_suffix(".copy")
    shutil.copy2(old, copy)
    copy.replace(old)
    replaced = signature(old)
    old.unlink()
    absent = signature(old)
    old.mkdir()
    assert len({first, rewritten, replaced, absent, signature(old)}) == 5


def test_a_link_counts_as_what_it_leads_to(old: Path) -> None:
    link = old.with_suffix(".link")
    link.symlink_to(old)
    first = signature(link)
    assert first == signature(old)
    other = old.with_suffix(".other")
    other.write_bytes(b"first")
    link.unlink()
    link.symlink_to(other)
    assert signature(link) != first


def test_a_young_file_and_an_untrusted_file_system_prove_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    young = old.with_suffix(".young")
    young.write_bytes(b"x")
    assert signature_of([str(old), str(young)]) == ""
    assert signature(old, young)
    monkeypatch.setattr(change_times, "_by_device", {})
    monkeypatch.setattr(change_times, "_mounts", lambda: (("/", "nfs4"),))
    assert signature(old) == ""


def test_a_time_of_whole_seconds_is_young_for_longer(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on ext3: a file can change twice within such a second."""
    found = os.stat_result([*old.stat()], {"st_ctime_ns": time.time_ns() // 10**9 * 10**9 - 10**9, "st_mtime_ns": 0})
    monkeypatch.setattr(os, "stat", lambda path: found)
    monkeypatch.setattr(change_times, "_is_trusted", lambda device, path: True)
    assert signature_of([str(old)]) == ""
    later = time.time_ns() + COARSE_NS
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert len(signature_of([str(old)])) == 32


def test_a_link_that_leads_to_itself_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert signature_of([str(tmp_path / "loop")]) == ""


def test_an_address_counts_as_its_text() -> None:
    scene, other = "https://example.org/scene.tif", "https://example.org/other.tif"
    orders = ([scene], [other], [scene, other], [other, scene], [])
    assert len({signature_of(order) for order in orders}) == len(orders)


def test_the_innermost_mount_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = (("/", "overlay"), ("/", "ext4"), ("/data", "nfs4"), ("/data/fast", "xfs"), ("/data/fastest", "cifs"))
    monkeypatch.setattr(change_times, "_mounts", lambda: mounts)
    paths = ("/home/a", "/data/a", "/data/fast/a", "/data/fastest/a")
    assert [change_times._file_system(path) for path in paths] == ["ext4", "nfs4", "xfs", "cifs"]
