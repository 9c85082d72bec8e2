"""Folders are there whole or not at all, whatever ends the processes that write them."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from croplayer.models.bundles import whole_folders
from croplayer.models.bundles.catalogue import find_bundle
from croplayer.models.bundles.whole_folders import check_place, only_one, repair, write_whole_folder

MARKER = "manifest.json"

WRITE_FOR_EVER = """
import itertools, sys
from pathlib import Path
from croplayer.models.bundles import whole_folders
if sys.argv[2] == "renames":
    whole_folders._exchanged = lambda a, b: False
for number in itertools.count():
    text = str(number).encode()
    whole_folders.write_whole_folder(Path(sys.argv[1]), {"manifest.json": text, "weights": text * 1000}, "manifest.json")
    print(number, flush=True)
"""


def whole(folder: Path) -> bool:
    """Whether both files are of the same writing."""
    text = (folder / MARKER).read_bytes()
    return (folder / "weights").read_bytes() == text * 1000


@pytest.mark.parametrize("way", ["exchange", "renames"])
def test_a_kill_at_any_moment_leaves_a_whole_folder_under_its_name(way: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    if way == "exchange" and not whole_folders._exchanged(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this file system cannot exchange two folders")
    for name in ("a", "b"):
        (tmp_path / name).rmdir()
    folder = tmp_path / "model"
    rng = random.Random(way)
    for _ in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, folder, way], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(rng.uniform(0, 0.05))
        writer.kill()
        writer.communicate()
        if way == "exchange":
            assert whole(folder)
        repair(folder, MARKER)
        assert whole(folder) and [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_kill_between_two_renames_is_undone_when_the_model_is_looked_for(tmp_path: Path) -> None:
    write_whole_folder(tmp_path / "model", {MARKER: b"first"}, MARKER)
    code = (
        "import os, signal, sys; from pathlib import Path; from croplayer.models.bundles import whole_folders\n"
        "whole_folders._exchanged = lambda a, b: False\n"
        "rename = Path.rename\n"
        "def killed(self, to):\n"
        "    rename(self, to)\n"
        "    if str(to).endswith('.old'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "Path.rename = killed\n"
        "whole_folders.write_whole_folder(Path(sys.argv[1]), {'manifest.json': b'second'}, 'manifest.json')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "model"], check=False)
    assert done.returncode == -signal.SIGKILL and not (tmp_path / "model").exists()
    assert find_bundle(tmp_path / "model") == tmp_path / "model"
    assert (tmp_path / "model" / MARKER).read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("has_exchange", [True, False])
def test_two_that_end_together_lose_nothing(
    has_exchange: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_exchange:
        monkeypatch.setattr(whole_folders, "_exchanged", lambda a, b: False)
    folder, barrier = tmp_path / "model", threading.Barrier(2)
    errors = []

    def write(text: bytes) -> None:
        try:
            for _ in range(20 if has_exchange else 1):
                barrier.wait()
                write_whole_folder(folder, {MARKER: text, "weights": text * 1000}, MARKER)
        except Exception as error:
            errors.append(error)
            barrier.abort()

    both = [threading.Thread(target=write, args=(text,)) for text in (b"a", b"b")]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert not errors and whole(folder) and [p.name for p in tmp_path.iterdir()] == ["model"]


def test_leftovers_are_removed_and_those_of_running_processes_stay(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_whole_folder(folder, {MARKER: b"new"}, MARKER)
    names = [f".model.{c * 32}.{ending}" for c in "ab" for ending in ("partial", "old")]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / MARKER).write_bytes(b"left")
    others = [".model.mine.old", ".models.dddddddddddddddddddddddddddddddd.old"]
    for name in others:
        (tmp_path / name).mkdir()
    with whole_folders._locked(tmp_path / names[0]):
        repair(folder, MARKER)
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["model", names[0], *others])
    repair(folder, MARKER)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["model", *others])
    assert (folder / MARKER).read_bytes() == b"new"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "model").symlink_to(tmp_path / "disk/model")
    for text in (b"first", b"second"):
        write_whole_folder(tmp_path / "model", {MARKER: text}, MARKER)
    assert (tmp_path / "model").is_symlink() and (tmp_path / "disk/model" / MARKER).read_bytes() == b"second"
    assert [p.name for p in (tmp_path / "disk").iterdir()] == ["model"]


def test_somebody_elses_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(FileExistsError, match=r"has files and no manifest\.json; give a new folder"):
        write_whole_folder(tmp_path, {MARKER: b"x"}, MARKER)
    with pytest.raises(FileExistsError, match="is a file"):
        check_place(tmp_path / "thesis.txt", MARKER)
    assert (tmp_path / "thesis.txt").read_text() == "all of it"
    (tmp_path / "empty").mkdir()
    write_whole_folder(tmp_path / "empty", {MARKER: b"x"}, MARKER)


def test_only_one_works_on_it_and_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "work/training.lock"
    code = (
        "import sys, time; from pathlib import Path; from croplayer.models.bundles.whole_folders import only_one\n"
        "with only_one(Path(sys.argv[1]), 'it'):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline() == b"held\n"
    with (
        pytest.raises(BlockingIOError, match="another process works on the same training"),
        only_one(path, "the same training"),
    ):
        pass
    other.kill()
    other.communicate()
    with only_one(path, "the same training"):
        assert path.exists()
    assert not path.exists() and not list((tmp_path / "work").iterdir())
