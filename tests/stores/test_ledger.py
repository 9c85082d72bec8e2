"""The ledger: durable lines, torn tails, damage, and steps that look at their fingerprint."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores import ledger as ledger_file
from stores.block_list import BlockList
from stores.durable import FileDigest, digest_file, write_durable
from stores.grid import LATTICE_COLS, BlockIndex
from stores.ledger import Ledger, block_code, decode_line, encode_line
from stores.records import BlockRecord, Status
from stores.results import STATUSES, Results, read_results

numbers = st.one_of(st.none(), st.integers(-10, 10**9), st.floats(allow_nan=False, allow_infinity=False), st.text())
keys = st.lists(st.text("abcé '\"", min_size=1), min_size=1, max_size=4).map("/".join)
records = st.builds(
    BlockRecord,
    block=st.builds(BlockIndex, st.integers(0, 3599), st.integers(0, 7199)),
    status=st.sampled_from(Status),
    reason=st.text(),
    files=st.dictionaries(keys, st.builds(FileDigest, st.text(), st.integers(0, 10**9))),
    values=st.dictionaries(st.text(), numbers),
    seconds=st.just(0.5),
)


@given(records)
def test_a_line_leads_back_to_its_record(record: BlockRecord) -> None:
    assert decode_line(encode_line("f", record)) == ("f", record)


@pytest.mark.parametrize("key", ["../../outside", "/etc/passwd", "2020/../../outside", ""])
def test_a_line_that_names_a_file_outside_the_store_is_refused(key: str) -> None:
    line = encode_line("f", BlockRecord(BlockIndex(1, 1), files={key: FileDigest("0" * 64, 1)}))
    with pytest.raises(ValueError, match="is not the path of a file inside its folder"):
        decode_line(line)


@given(records, st.data())
def test_any_changed_byte_is_noticed(record: BlockRecord, data: st.DataObject) -> None:
    line = encode_line("f", record)
    place = data.draw(st.integers(0, len(line) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = line[:place] + bytes([line[place] ^ (1 << bit)]) + line[place + 1 :]
    with pytest.raises(ValueError):
        decode_line(changed)


def record(col: int, **values: float) -> BlockRecord:
    return BlockRecord(BlockIndex(1, col), values=values)


def test_a_torn_tail_is_cut_and_nothing_else_is_lost(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "step.jsonl")
    ledger.append("f", [record(1), record(2), record(3)])
    whole = ledger.path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(last + 1, len(whole)):
        ledger.path.write_bytes(whole[:cut])
        assert list(results(ledger).blocks) == [BlockIndex(1, 1), BlockIndex(1, 2)]
        ledger.cut_torn_tail()
        ledger.append("f", [record(4)])
        assert list(results(ledger).blocks) == [BlockIndex(1, 1), BlockIndex(1, 2), BlockIndex(1, 4)]


def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "step.jsonl")
    ledger.append("f", [record(1), record(2), record(3)])
    data = bytearray(ledger.path.read_bytes())
    data[data.index(b"\n") + 20] ^= 1
    ledger.path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="line 2 is damaged"):
        results(ledger)


@pytest.mark.parametrize("read_bytes", [1, 700, ledger_file.READ_BYTES])
def test_lines_of_some_blocks_are_those_of_all_lines(
    read_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is read at a time, and however the lines differ: in length, in fingerprint, in what they say of their block."""
    monkeypatch.setattr(ledger_file, "READ_BYTES", read_bytes)
    random = np.random.default_rng(5)
    ledger = Ledger(tmp_path / "step.jsonl")
    for fingerprint in ("f" * 64, "longer than that" * 9, "g" * 64, ""):
        cols = random.integers(0, 7200, 90).tolist()
        noise = [BlockRecord(BlockIndex(1, c), reason=',"block":"r0001c0001"' * (c % 3), values={"n": c}) for c in cols]
        ledger.append(fingerprint, noise)
    with ledger.path.open("ab") as file:
        file.write(b'01234567 {"fingerprint":"')
    every = list(ledger.texts())
    assert len(every) == 360
    for asked in (
        np.array([block_code(line) for _, line in every[::7]]),
        np.array([LATTICE_COLS + 7199]),
        np.array([]),
    ):
        assert list(ledger.texts_of(asked)) == [(p, line) for p, line in every if block_code(line) in asked]
    assert list(Ledger(tmp_path / "none.jsonl").texts_of(np.array([1]))) == []


def test_damage_to_a_line_that_is_asked_for_is_named_in_a_large_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_file, "READ_BYTES", 300)
    ledger = Ledger(tmp_path / "step.jsonl")
    ledger.append("f", [record(col) for col in range(40)])
    whole = ledger.path.read_bytes()
    second = whole.index(b"\n") + 1
    name = whole.index(b"r0001c0001")
    for place, says in ((second + 3, True), (name, True), (name - 5, True), (name + 12, True), (second + 200, False)):
        ledger.path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x80]) + whole[place + 1 :])
        asked = np.array([LATTICE_COLS + 1])
        if says:
            with pytest.raises(ValueError, match="line 2 is damaged"):
                list(ledger.texts_of(asked))
        else:
            assert len(list(ledger.texts_of(asked))) == 1


def results(ledger: Ledger, fingerprint: str = "f") -> Results:
    """Results of every block of row 1."""
    return read_results(ledger.path, fingerprint, BlockList.of((1, c) for c in range(7200)), ledger.path.parent)


def test_the_last_record_under_the_fingerprint_counts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "step.jsonl")
    ledger.append("old", [record(1, a=1.0)])
    ledger.append("new", [record(1, a=2.0), record(2, a=5.0)])
    ledger.append("new", [record(1, a=3.0), BlockRecord(BlockIndex(1, 2), Status.FAILED, reason="x")])
    newest = {r.block.col: (fingerprint, r.values, r.status) for fingerprint, r in ledger.newest()}
    assert newest == {1: ("new", {"a": 3.0}, Status.DONE), 2: ("new", {}, Status.FAILED)}
    assert list(results(ledger, "new").values()) == [{"a": 3.0}]
    assert list(results(ledger, "old").values()) == [{"a": 1.0}]
    assert not results(ledger, "other").blocks


def test_the_digest_of_results_ignores_order_and_time(tmp_path: Path) -> None:
    a, b = record(1, x=1.0), record(2, x=2.0)
    later = BlockRecord(a.block, values=a.values, seconds=9.0)
    digests = []
    for i, lines in enumerate(([a, b], [b, later], [a, record(2, x=2.1)], [a])):
        ledger = Ledger(tmp_path / f"{i}.jsonl")
        ledger.append("f", lines)
        digests.append(results(ledger).digest)
    assert digests[0] == digests[1] and len(set(digests)) == 3


def test_a_block_whose_file_is_gone_or_short_is_not_finished(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "step.jsonl")
    files = {f"c/{i}": write_durable(tmp_path / f"c/{i}", b"four") for i in range(4)}
    ledger.append("f", [BlockRecord(BlockIndex(1, i), files={key: d}) for i, (key, d) in enumerate(files.items())])
    (tmp_path / "c/1").unlink()
    (tmp_path / "c/2").write_bytes(b"thr")
    assert list(results(ledger).blocks) == [BlockIndex(1, 0), BlockIndex(1, 3)]


def test_a_block_with_files_of_another_fingerprint_is_not_finished(tmp_path: Path) -> None:
    """Files of other settings can be as long as those of these; records without files stay true."""
    ledger = Ledger(tmp_path / "step.jsonl")
    one, same = (
        BlockRecord(BlockIndex(1, i), files={f"c/{i}": write_durable(tmp_path / f"c/{i}", b"1")}) for i in (1, 2)
    )
    ledger.append("old", [one, same, record(3)])
    ledger.append("new", [replace(one, files={"c/1": write_durable(tmp_path / "c/1", b"2")}), same, record(3)])
    assert list(results(ledger, "old").blocks) == [same.block, BlockIndex(1, 3)]
    assert len(results(ledger, "new").blocks) == 3
    ledger.append("new", [BlockRecord(same.block, Status.FAILED, reason="it may have written a part")])
    assert list(results(ledger, "old").blocks) == [BlockIndex(1, 3)]
    ledger.append("old", [one, same])
    assert len(results(ledger, "old").blocks) == 3


def test_files_of_other_names_leave_a_block_finished(tmp_path: Path) -> None:
    """Another edition writes beside the files of the first, not over them."""
    ledger = Ledger(tmp_path / "step.jsonl")
    one, other = (
        BlockRecord(BlockIndex(1, 1), files={f"{e}/c/1": write_durable(tmp_path / f"{e}/c/1", e.encode())})
        for e in ("2020", "2021")
    )
    ledger.append("old", [one])
    ledger.append("new", [other])
    assert list(results(ledger, "old").blocks) == list(results(ledger, "new").blocks) == [one.block]


@given(st.lists(records, unique_by=lambda r: r.block, max_size=8))
def test_results_say_what_the_records_say(made: list[BlockRecord]) -> None:
    """Whatever words the records hold: the reader cuts lines at words of its own."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "step.jsonl")
        ledger.append("f", [replace(r, files={}) for r in made])
        found = read_results(ledger.path, "f", BlockList.of(r.block for r in made), Path(folder))
        finished = sorted((r for r in made if r.status.is_finished), key=lambda r: r.block)
        assert list(found.blocks) == [r.block for r in finished]
        assert list(found.values()) == [r.values for r in finished]
        assert [STATUSES[s] for s in found.status] == [r.status for r in finished]


def test_a_table_has_numbers_words_and_gaps(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "step.jsonl")
    values = [
        {"n": 1, "x": 0.5, "w": "snow", "late": None},
        {"n": 2, "x": None, "w": None, "only": 7},
        {"n": 3, "late": 1.5},
    ]
    ledger.append("f", [BlockRecord(BlockIndex(1, 9 - i), values=v) for i, v in enumerate(values)])
    table = results(ledger).table()
    expected = pd.DataFrame(
        {
            "block": ["r0001c0007", "r0001c0008", "r0001c0009"],
            "row": [1, 1, 1],
            "col": [7, 8, 9],
            "n": [3, 2, 1],
            "late": [1.5, None, None],
            "x": [None, None, 0.5],
            "w": np.array([None, None, "snow"], dtype=object),
            "only": [None, 7.0, None],
        }
    ).astype({"late": float, "x": float, "only": float})
    pd.testing.assert_frame_equal(table, expected, check_like=True)


def test_a_list_of_blocks_is_a_sorted_set_of_them() -> None:
    blocks = BlockList.of([BlockIndex(2, 1), BlockIndex(1, 7199), BlockIndex(2, 1), BlockIndex(0, 0)])
    assert list(blocks) == [BlockIndex(0, 0), BlockIndex(1, 7199), BlockIndex(2, 1)]
    assert BlockIndex(1, 7199) in blocks and BlockIndex(2, 0) not in blocks and "r0000c0000" not in blocks
    assert list(blocks[1:]) == [BlockIndex(1, 7199), BlockIndex(2, 1)] and blocks[-1] == BlockIndex(2, 1)
    other = BlockList.of([BlockIndex(2, 1), BlockIndex(3, 3)])
    assert list(blocks.both(other)) == [BlockIndex(2, 1)]
    assert list(blocks.without(other)) == [BlockIndex(0, 0), BlockIndex(1, 7199)]


def test_a_durable_write_replaces_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write_durable(path, b"old")
    digest = write_durable(path, b"new and longer")
    assert path.read_bytes() == b"new and longer"
    assert digest == digest_file(path)
    assert [p.name for p in path.parent.iterdir()] == ["file"]
