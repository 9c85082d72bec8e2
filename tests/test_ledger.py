"""The ledger: durable lines, torn tails, damage, and steps that look at their fingerprint."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from croplayer.durable import FileDigest, digest_file, write_durable
from croplayer.grid import BlockIndex
from croplayer.ledger import Ledger, decode_line, digest_records, encode_line
from croplayer.records import BlockRecord, Status

numbers = st.one_of(st.none(), st.integers(-10, 10**9), st.floats(allow_nan=False, allow_infinity=False), st.text())
records = st.builds(
    BlockRecord,
    block=st.builds(BlockIndex, st.integers(0, 3599), st.integers(0, 7199)),
    status=st.sampled_from(Status),
    reason=st.text(),
    files=st.dictionaries(st.text(), st.builds(FileDigest, st.text(), st.integers(0, 10**9))),
    values=st.dictionaries(st.text(), numbers),
    seconds=st.just(0.5),
)


@given(records)
def test_a_line_leads_back_to_its_record(record: BlockRecord) -> None:
    assert decode_line(encode_line("f", record)) == ("f", record)


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
        assert sorted(ledger.records("f")) == [BlockIndex(1, 1), BlockIndex(1, 2)]
        ledger.cut_torn_tail()
        ledger.append("f", [record(4)])
        assert sorted(ledger.records("f")) == [BlockIndex(1, 1), BlockIndex(1, 2), BlockIndex(1, 4)]


def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "step.jsonl")
    ledger.append("f", [record(1), record(2), record(3)])
    data = bytearray(ledger.path.read_bytes())
    data[data.index(b"\n") + 20] ^= 1
    ledger.path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="line 2 is damaged"):
        ledger.records("f")


def test_the_last_record_under_the_fingerprint_counts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "step.jsonl")
    ledger.append("old", [record(1, a=1.0)])
    ledger.append("new", [record(1, a=2.0)])
    ledger.append("new", [record(1, a=3.0)])
    assert ledger.records("new")[BlockIndex(1, 1)].values == {"a": 3.0}
    assert ledger.records("old")[BlockIndex(1, 1)].values == {"a": 1.0}
    assert ledger.records("other") == {}


def test_the_digest_of_records_ignores_order_and_time() -> None:
    a, b = record(1, x=1.0), record(2, x=2.0)
    later = BlockRecord(a.block, values=a.values, seconds=9.0)
    assert digest_records([a, b]) == digest_records([b, later])
    assert digest_records([a, b]) != digest_records([a, record(2, x=2.1)])


def test_a_durable_write_replaces_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write_durable(path, b"old")
    digest = write_durable(path, b"new and longer")
    assert path.read_bytes() == b"new and longer"
    assert digest == digest_file(path)
    assert [p.name for p in path.parent.iterdir()] == ["file"]
