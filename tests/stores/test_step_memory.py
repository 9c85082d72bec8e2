"""What a run remembers of its steps, and the files that they no longer make."""

from __future__ import annotations

from pathlib import Path

import pytest

from stores.durable import FileDigest
from stores.step_memory import VOID, BlocksDone, StepEntry, StepMemory, _encode


def test_files_that_are_no_longer_made_are_removed(tmp_path: Path) -> None:
    outputs = StepMemory(tmp_path / "ledger/outputs.json", tmp_path)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(name)
    outputs.finish("tables", "old", [tmp_path / "a.csv", tmp_path / "b.csv"])
    outputs.finish("others", "old", [tmp_path / "b.csv"])
    outputs.begin("tables", "new")
    assert (tmp_path / "a.csv").exists() and not outputs.is_finished("tables", "old")
    outputs.finish("tables", "new", [])
    assert [p.name for p in sorted(tmp_path.glob("*.csv"))] == ["b.csv"]


def test_what_a_step_was_made_of_is_remembered_and_shared(tmp_path: Path) -> None:
    memory = StepMemory(tmp_path / "ledger/outputs.json", tmp_path)
    (tmp_path / "a.csv").write_text("a")
    for name in ("export_1", "export_2"):
        memory.finish(name, "f" * 64, [tmp_path / "a.csv"], {"map": "#0123456789ab"})
    entries = memory.entries()
    assert entries["export_1"].made_of == entries["export_2"].made_of == {"map": "#0123456789ab"}
    assert memory.path.read_text(encoding="utf-8").count("#0123456789ab") == 1


def test_a_step_of_the_cube_that_begins_anew_makes_the_later_ones_void(tmp_path: Path) -> None:
    memory, ledger = StepMemory(tmp_path / "ledger/outputs.json", tmp_path), tmp_path / "ledger/x.jsonl"
    for name in ("mosaic", "segment", "integrate", "describe"):
        memory.finish(name, f"old {name}", BlocksDone(2, ledger), {"of": name})
    memory.begin("segment", "new segment", {"of": "other"}, blocks=2)
    entries = memory.entries()
    assert not entries["mosaic"].is_open and not entries["describe"].is_open
    assert entries["integrate"].is_void and entries["integrate"].is_open
    assert entries["integrate"].fingerprint == f"{VOID}old integrate" and entries["integrate"].made_of == {
        "of": "integrate"
    }
    assert not memory.was_begun_last("integrate", "old integrate")
    memory.begin("mosaic", "new mosaic", blocks=2)
    assert memory.entries()["integrate"].fingerprint == f"{VOID}old integrate"
    memory.begin("integrate", "old integrate", blocks=2)
    assert not memory.entries()["integrate"].is_void


def test_a_step_that_goes_on_leaves_the_later_ones_as_they_are(tmp_path: Path) -> None:
    memory, ledger = StepMemory(tmp_path / "ledger/outputs.json", tmp_path), tmp_path / "ledger/x.jsonl"
    for name in ("mosaic", "segment"):
        memory.finish(name, name, BlocksDone(2, ledger))
    memory.begin("mosaic", "mosaic", blocks=3)
    assert not memory.entries()["segment"].is_open and memory.is_finished("segment", "segment", BlocksDone(2, ledger))


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    memory = StepMemory(tmp_path / "ledger/outputs.json", tmp_path)
    memory.begin("tables", "f", {"a": "1"})
    whole = memory.path.read_bytes()
    for at in range(len(whole)):
        memory.path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(ValueError, match="is damaged; remove it to make the outputs again"):
            memory.entries()


def hostile(root: Path, step: str, entry: StepEntry) -> StepMemory:
    """The memory of a run whose file was written by somebody else, with a right digest."""
    memory = StepMemory(root / "ledger/outputs.json", root)
    memory.path.parent.mkdir(parents=True)
    memory.path.write_bytes(_encode({step: entry}))
    return memory


@pytest.mark.parametrize("name", ["../outside.csv", "tables/../../outside.csv", "/OUTSIDE"])
def test_a_file_outside_the_folder_is_neither_removed_nor_read(name: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("mine")
    name = name.replace("/OUTSIDE", str(outside))
    memory = hostile(tmp_path / "run", "tables", StepEntry("old", files={name: FileDigest("0" * 64, 4)}))
    for ask in (
        memory.entries,
        lambda: memory.finish("tables", "new", []),
        lambda: memory.keep_only([]),
        lambda: memory.is_finished("tables", "old"),
        lambda: list(memory.digests()),
    ):
        with pytest.raises(ValueError, match="names a file outside the run's folder"):
            ask()
    assert outside.read_text() == "mine"
    memory.remove_damaged()
    assert not memory.path.exists() and outside.exists()


def test_a_file_behind_a_link_is_not_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.csv").write_text("mine")
    memory = hostile(tmp_path / "run", "tables", StepEntry("old", files={"tables/a.csv": FileDigest("0" * 64, 4)}))
    (tmp_path / "run/tables").symlink_to(outside)
    for ask in (lambda: memory.finish("tables", "new", []), lambda: memory.keep_only([])):
        with pytest.raises(ValueError, match="leads through a link out of"):
            ask()
    assert (outside / "a.csv").read_text() == "mine"


def test_a_ledger_lies_in_its_folder(tmp_path: Path) -> None:
    memory = hostile(tmp_path / "run", "../../outside", StepEntry("old", blocks=3))
    with pytest.raises(ValueError, match="names a file outside the run's folder"):
        memory.entries()
