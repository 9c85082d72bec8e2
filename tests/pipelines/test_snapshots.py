"""Snapshots: a finished edition in a place of its own, whole or not there, and never changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from shared.buckets import SECRET, bucket_server, held
from shared.commands import croplayer
from shared.faulty_bucket import faulty
from shared.handed_out import OPEN, handed_out_run
from shared.run_files import digests
from soak.snapshots import kill_snapshots

from croplayer.cube.opening import open_cube
from pipelines import copied_files, snapshots
from pipelines.cli import main
from stores.finished import MissingBlocksError
from stores.places import bucket_of, has_key
from stores.run_folder import RunFolder
from stores.snapshot import Snapshot

CLOSED = {"role": "imagery", "name": "one", "licence": "Provider terms, all rights reserved"}
IN_BUCKET = "s3://maps/north/2020"


@pytest.fixture(scope="module")
def run(finished_small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose files tests may not change."""
    return Path(shutil.copytree(finished_small_run, tmp_path_factory.mktemp("run") / "one"))


@pytest.fixture(scope="module")
def whole(run: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its snapshot in a folder; tests must leave it as it is."""
    out = tmp_path_factory.mktemp("snapshot") / "2020"
    before = digests(run)
    done = croplayer("snapshot", run, "-o", out, "--despite-licences", models=models)
    assert "digest of everything" in done.stdout and digests(run) == before
    return out


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with bucket_server("maps") as environment:
        yield environment


@pytest.fixture
def bucket(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of an empty prefix, and the environment that opens it."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    for key in held("s3://maps/north"):
        bucket_of("s3://maps/north").delete(key)
    yield IN_BUCKET


def publish(run: Path, out: object, *options: str) -> str:
    """What the command says, in this process; raises what it would tell."""
    done = CliRunner().invoke(main, ["snapshot", str(run), "-o", str(out), "--despite-licences", *options])
    if done.exit_code:
        raise ValueError(done.output)
    return done.output


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_snapshot_opens_as_the_edition_that_it_is_of(run: Path, whole: Path) -> None:
    ours, theirs = open_cube(run), open_cube(whole, strict=True)
    xr.testing.assert_identical(ours.compute(), theirs.compute())
    plain = xr.open_zarr(whole / "cube.zarr", group="2020", consolidated=False, mask_and_scale=False)
    np.testing.assert_array_equal(plain.croplayer, ours.croplayer)
    assert (whole / "tables/units_1.csv").read_bytes() == (run / "tables/units_1.csv").read_bytes()
    with pytest.raises(MissingBlocksError, match="lie outside"):
        open_cube(whole, (113.9, 34.0, 114.1, 34.1), strict=True)


def test_anybody_can_check_a_snapshot_without_croplayer(whole: Path, models: Path) -> None:
    told = [
        subprocess.run(["sha256sum", "--check", "--quiet", part], cwd=whole, capture_output=True, text=True)
        for part in sorted((whole / "manifest").iterdir())
    ]
    assert told and not any(each.returncode or each.stdout for each in told)
    snapshot = Snapshot.read(whole)
    named = {path for path, _ in snapshot.digests(whole)}
    assert named | {*snapshot.parts, "snapshot.json"} == set(contents(whole)) and len(named) == snapshot.files
    assert all(path.stat().st_mode & 0o222 == 0 for path in (whole / "cube.zarr").rglob("c/*") if path.is_file())
    assert "no problems: every file matches the manifest" in croplayer("verify", whole, models=models).stdout


def test_what_names_places_of_the_owner_stays_with_the_run(whole: Path, country: Path) -> None:
    there = contents(whole)
    assert not {"recipe.toml", "run.log", ".lock"} & set(there) and not any(key.startswith("ledger/") for key in there)
    assert not [key for key, data in there.items() if str(country).encode() in data]


def test_a_snapshot_in_a_bucket_is_the_one_on_disk(run: Path, whole: Path, bucket: str, models: Path) -> None:
    publish(run, bucket)
    assert held(bucket) == contents(whole)
    assert not [key for key, data in held(bucket).items() if SECRET.encode() in data]
    theirs = open_cube(bucket)
    assert theirs.croplayer.chunks is not None
    np.testing.assert_array_equal(theirs.croplayer, open_cube(run).croplayer)
    name = gpd.read_parquet(run / "boundaries.parquet").adcode.iloc[0]
    xr.testing.assert_equal(open_cube(bucket, name).croplayer.compute(), open_cube(run, name).croplayer.compute())
    assert "no problems" in croplayer("verify", bucket, models=models).stdout
    assert f"{Snapshot.read(whole).files:,} were there" in publish(run, bucket)


def test_a_bucket_that_fails_gets_the_same_bytes(
    run: Path, whole: Path, bucket: str, server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty(server["AWS_ENDPOINT_URL"]) as (proxy, done):
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy)
        bucket_of.cache_clear()
        publish(run, bucket)
        assert done["errors"] and done["late"] and done["lost"], done
    monkeypatch.setenv("AWS_ENDPOINT_URL", server["AWS_ENDPOINT_URL"])
    bucket_of.cache_clear()
    assert held(bucket) == contents(whole)


@pytest.mark.parametrize("is_remote", [False, True])
def test_a_snapshot_that_was_stopped_is_no_cube_and_goes_on(
    run: Path, whole: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_remote: bool
) -> None:
    place = bucket if is_remote else str(tmp_path / "snapshot")
    files, left, copy = Snapshot.read(whole).files, 25, snapshots.SnapshotSource.copy

    def failing(*arguments: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError("the disk is full")
        copy(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(snapshots.SnapshotSource, "copy", failing)
    with pytest.raises(ValueError, match="the disk is full"):
        publish(run, place)
    monkeypatch.setattr(snapshots.SnapshotSource, "copy", copy)
    with pytest.raises(ValueError, match="a snapshot that was not finished"):
        open_cube(place)
    with pytest.raises((FileNotFoundError, ValueError), match="is not a cube"):
        open_cube(f"{place}/cube.zarr")
    assert "is not finished" in CliRunner().invoke(main, ["verify", place]).output
    assert f"{files - 25:,} written, 25 were there" in publish(run, place)
    assert held(place) == contents(whole) and not has_key(place, "snapshot.begun.json")


def test_what_was_copied_is_read_again_only_where_its_times_differ(
    run: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, copy, digest_at = tmp_path / "snapshot", snapshots.SnapshotSource.copy, snapshots.digest_at
    monkeypatch.setattr(copied_files, "FLUSH_S", 0.0)
    last = [path for path, _ in Snapshot.read(whole).digests(whole)][-1]

    def stopped(source: object, path: str, *others: object) -> None:
        if path == last:
            raise OSError("the disk is full")
        copy(source, path, *others)  # type: ignore[arg-type]

    def stop(*options: str) -> list[str]:
        """The files that were read in the snapshot before it was stopped at its last file."""
        read: list[str] = []

        def reading(where: object, key: str) -> object:
            if str(where) == str(place) and not key.startswith("manifest/"):
                read.append(key)
            return digest_at(where, key)  # type: ignore[arg-type]

        monkeypatch.setattr(snapshots, "digest_at", reading)
        with pytest.raises(ValueError, match="the disk is full"):
            publish(run, place, *options)
        return read

    monkeypatch.setattr(snapshots.SnapshotSource, "copy", stopped)
    assert not stop()
    time.sleep(0.2)
    stop()  # those of the last tenth of a second
    time.sleep(0.2)
    count = Snapshot.read(whole).files
    assert len(stop()) <= 3
    assert len(stop("--recheck")) == count
    flipped = next(p for p in sorted((place / "cube.zarr/2020/croplayer/c").rglob("*")) if p.is_file())
    times = flipped.stat()
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 1
    flipped.chmod(0o644)
    flipped.write_bytes(data)
    flipped.chmod(0o444)
    os.utime(flipped, ns=(times.st_atime_ns, times.st_mtime_ns))
    monkeypatch.setattr(snapshots.SnapshotSource, "copy", copy)
    publish(run, place)
    assert contents(place) == contents(whole)


@pytest.mark.soak
def test_kills_while_publishing_change_no_object(
    run: Path, bucket: str, server: dict[str, str], tmp_path: Path
) -> None:
    found = kill_snapshots(tmp_path, run, bucket, server, kills=5, seed=1)
    assert found.kills == 5 and found.rounds >= 1
    assert (found.differing, found.opened, found.blamed) == (0, 0, 0)


def test_damage_is_named_and_mended(run: Path, whole: Path, tmp_path: Path) -> None:
    place = tmp_path / "snapshot"
    shutil.copytree(whole, place)
    flipped = next(p for p in sorted((place / "cube.zarr/2020/croplayer/c").rglob("*")) if p.is_file())
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 1
    flipped.chmod(0o644)
    flipped.write_bytes(data)
    (place / "tables/units_1.csv").unlink()
    (place / "foreign.txt").write_text("?")
    told = CliRunner().invoke(main, ["verify", str(place)])
    assert told.exit_code == 1 and "3 problems" in told.output
    for words in (f"{flipped} has other bytes", "units_1.csv is missing", "foreign.txt is no part"):
        assert words in told.output
    assert (
        "`croplayer snapshot` again to mend it" in CliRunner().invoke(main, ["verify", str(place), "--repair"]).output
    )
    with pytest.raises(ValueError, match=r"foreign\.txt is no part of the snapshot"):
        publish(run, place)
    (place / "foreign.txt").unlink()
    publish(run, place)
    assert contents(place) == contents(whole)
    part = place / "manifest/outputs-0000.txt"
    part.chmod(0o644)
    part.write_text(part.read_text().replace("tables/", "../tables/"))
    assert "is damaged, so the files that it names" in CliRunner().invoke(main, ["verify", str(place)]).output


def test_without_imagery_nothing_shows_it(run: Path, tmp_path: Path) -> None:
    publish(run, tmp_path / "map", "--no-imagery")
    there = set(contents(tmp_path / "map"))
    assert not [key for key in there if "/rgb/" in key or key.startswith(("report", "figures"))]
    opened, ours = open_cube(tmp_path / "map"), open_cube(run)
    assert "rgb" not in opened and set(opened) == set(ours) - {"rgb"}
    np.testing.assert_array_equal(opened.croplayer, ours.croplayer)
    with pytest.raises(ValueError, match="another snapshot, of edition '2020'"):
        publish(run, tmp_path / "map")


def test_a_place_that_holds_anything_else_is_refused(run: Path, tmp_path: Path, bucket: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    bucket_of("s3://maps/north").put("2020/mine.txt", b"mine")
    for place in (tmp_path / "full", bucket):
        with pytest.raises(ValueError, match=r"holds mine\.txt, which is no part of a snapshot"):
            publish(run, place)
    with pytest.raises(ValueError, match="lies in the folder of the run"):
        publish(run, run / "snapshot")
    for marker in ("snapshot.json", "snapshot.begun.json"):
        place = tmp_path / marker
        place.mkdir()
        (place / marker).write_text("{}")
        with pytest.raises(ValueError, match="is damaged, or of a later version"):
            publish(run, place)
    assert "holds no snapshot" in CliRunner().invoke(main, ["verify", "s3://maps/elsewhere"]).output


def test_a_run_that_is_damaged_or_not_finished_is_refused(run: Path, tmp_path: Path) -> None:
    mine = RunFolder(Path(shutil.copytree(run, tmp_path / "run")))
    chunk = next(p for p in sorted((mine.own_cube / "2020/cropland/c").rglob("*")) if p.is_file())
    data = bytearray(chunk.read_bytes())
    data[-1] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(ValueError, match="has other bytes than its record says, so it is not published"):
        publish(mine.root, tmp_path / "out")
    mine.memory.forget(["report"])
    with pytest.raises(ValueError, match="is not finished, so it is not published"):
        publish(mine.root, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_licences_that_forbid_it_are_told(tmp_path: Path) -> None:
    mine = handed_out_run(tmp_path / "run", (CLOSED, OPEN))
    done = CliRunner().invoke(main, ["snapshot", str(mine), "-o", str(tmp_path / "out")])
    assert done.exit_code == 2 and "not published: nothing lets pictures of the imagery 'one'" in done.output
    assert not (tmp_path / "out").exists()
