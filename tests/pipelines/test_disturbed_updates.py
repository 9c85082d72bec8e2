"""An update that is stopped, killed or damaged ends with the bytes of one that was left alone; so does the first edition."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from shared.buckets import bucket_server
from shared.places import REPOSITORY
from soak.updates import crash_updates, damage_editions, kill_in_bucket

STRIDE = 37


@pytest.mark.parametrize("stride", [STRIDE, pytest.param(1, marks=pytest.mark.soak)])
def test_no_crash_point_of_an_update_changes_a_byte_of_either_edition(tmp_path: Path, stride: int) -> None:
    counts = crash_updates(tmp_path, lambda point: point % stride == 0)
    assert counts.points > 200
    assert counts.tried == counts.points // stride
    assert (counts.differing, counts.lost, counts.blamed) == (0, 0, 0)


@pytest.mark.parametrize("count", [20, pytest.param(500, marks=pytest.mark.soak)])
def test_damage_is_named_in_every_edition_that_holds_the_file(tmp_path: Path, count: int) -> None:
    found = damage_editions(tmp_path, count, seed=5)
    assert found.made.total() == count
    assert (found.missed, found.blamed) == (0, 0)


@pytest.mark.parametrize("kills", [1, pytest.param(40, marks=pytest.mark.soak)])
def test_kills_while_writing_to_a_bucket_lose_nothing(
    tmp_path: Path, kills: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bucket_server("soak") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")]))
        found = kill_in_bucket(tmp_path, "s3://soak/run", environment, kills, blocks=20, seed=kills)
    assert found.kills == kills and found.starts > kills
    assert (found.differing, found.lost, found.blamed) == (0, 0, 0)
