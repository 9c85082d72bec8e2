"""The cube in a bucket of an S3-compatible store: the same bytes as on disk, the same discipline, no secret stored."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
import rasterio
import requests
import zarr
from moto.server import ThreadedMotoServer
from rasterio.transform import from_origin
from shared.commands import croplayer
from shared.faulty_bucket import faulty

from croplayer.cube.opening import open_cube
from croplayer.cube.whole_blocks import Cube
from croplayer.sources.raster import RasterSource
from croplayer.tasks.mosaic import MosaicTask
from croplayer.tasks.overviews import OverviewsTask, SquaresTask
from pipelines.doctor import examine
from stores.block_list import BlockList
from stores.bucket_owner import check_owner, claim_bucket
from stores.cube import CUBE
from stores.durable import digest_bytes
from stores.edition import SchemaError
from stores.grid import BlockGrid, BlockIndex, BlockRange
from stores.ledger import Ledger
from stores.levels import squares_of
from stores.overviews import check_overviews, create_overviews
from stores.places import (
    bucket_of,
    check_place,
    digest_of,
    has_key,
    keys_of,
    open_bucket,
    open_store,
    read_key,
    size_finder,
    write_key,
)
from stores.records import BlockRecord
from stores.results import read_results

RANGE = BlockRange(1100, 5880, 2, 2)
SECRET = "canary-5e1c"
ADDRESS = "s3://cubes/run/cube.zarr"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a server of the S3 protocol on this machine."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket "cubes" and the environment that opens it."""
    for name, value in {
        "AWS_ENDPOINT_URL": server, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": SECRET,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    requests.post(f"{server}/moto-api/reset", timeout=10)
    assert requests.put(f"{server}/cubes", timeout=10).status_code == 200
    bucket_of.cache_clear()
    yield "cubes"
    bucket_of.cache_clear()


def make_cube(place: str | Path) -> Cube:
    CUBE.create(open_store(place, read_only=False), "2020", BlockGrid(64), RANGE, ("aster",))
    cube = Cube.open(place)
    rng = np.random.default_rng(1)
    for row in range(RANGE.rows):
        for col in range(RANGE.cols):
            block = BlockIndex(RANGE.row + row, RANGE.col + col)
            cube.write_block("croplayer", block, rng.integers(0, 2, (64, 64)).astype(np.uint8))
            cube.write_block("rgb", block, rng.integers(0, 256, (64, 64, 3)).astype(np.uint8), "aster")
    return cube


def contents(place: str | Path) -> dict[str, tuple[str, int]]:
    digests = {key: digest_of(place, key) for key in keys_of(place)}
    return {key: digest for key, digest in digests.items() if digest is not None}


def test_a_cube_in_a_bucket_has_the_bytes_of_one_on_disk(bucket: str, tmp_path: Path) -> None:
    make_cube(ADDRESS)
    make_cube(tmp_path / "cube.zarr")
    assert contents(ADDRESS) == contents(tmp_path / "cube.zarr")
    assert len(contents(ADDRESS)) > 10


def test_overviews_in_a_bucket_are_those_on_disk(bucket: str, tmp_path: Path) -> None:
    for place in (ADDRESS, tmp_path / "cube.zarr"):
        cube, blocks = make_cube(place), BlockList.rectangle(RANGE.row, RANGE.col, RANGE.rows, RANGE.cols)
        store = open_store(place, read_only=False)
        create_overviews(store, "2020", cube.grid, cube.blocks, cube.sources)
        check_overviews(store, "2020", cube.grid, cube.blocks, cube.sources)
        records = [*OverviewsTask(cube)(blocks), *SquaresTask(cube, blocks)(squares_of(blocks))]
        for record in records:
            assert record.status.is_finished
            assert all(digest_of(place, key) == digest for key, digest in record.files.items())
    assert contents(ADDRESS) == contents(tmp_path / "cube.zarr")
    assert sum("overviews" in key and "/c/" in key for key in contents(ADDRESS)) > 20


def test_a_written_block_is_known_by_its_digest_and_size(bucket: str) -> None:
    cube = make_cube(ADDRESS)
    files = cube.write_block("croplayer", BlockIndex(1101, 5881), np.full((64, 64), 255, np.uint8))
    ((key, digest),) = files.items()
    data = obstore.get(bucket_of(ADDRESS), key).bytes().to_bytes()
    assert digest == digest_bytes(data) == digest_of(ADDRESS, key)
    sizes = size_finder(ADDRESS)
    assert sizes(key) == len(data) and sizes("2020/croplayer/c/9/9") is None


def test_a_removed_block_is_gone_and_may_be_removed_again(bucket: str, tmp_path: Path) -> None:
    for place in (ADDRESS, tmp_path / "cube.zarr"):
        cube = make_cube(place)
        block, before = BlockIndex(1101, 5881), set(keys_of(place))
        cube.remove_block("imagery_valid", block, "aster")
        assert set(keys_of(place)) == before
        files = cube.write_block("imagery_valid", block, np.ones((64, 64), bool), "aster")
        assert set(files) == {cube.block_key("imagery_valid", block, "aster")}
        cube.remove_block("imagery_valid", block, "aster")
        assert set(keys_of(place)) == before and not cube.read_block("imagery_valid", block, "aster").any()
        assert cube.has_array("imagery_valid") and not cube.has_array("boundary_probability")


def test_a_table_of_a_block_is_whole_and_known_by_its_digest(bucket: str, tmp_path: Path) -> None:
    for place in (ADDRESS, tmp_path / "cube.zarr"):
        cube, block = make_cube(place), BlockIndex(1101, 5881)
        with pytest.raises(FileNotFoundError):
            cube.read_table("outlines", block)
        cube.write_table("outlines", block, b"longer than the next")
        files = cube.write_table("outlines", block, b"table")
        assert files == {"2020/field/outlines/1101/5881.arrow": digest_bytes(b"table")}
        assert cube.read_table("outlines", block) == b"table"
        assert {key: digest_of(place, key) for key in files} == files
        fields = ("field", "field_join")
        CUBE.create(open_store(place, read_only=False), "2020", cube.grid, cube.blocks, cube.sources, fields)
        group = zarr.open_group(open_store(place, read_only=True), mode="r", path="2020")
        # Warnings are errors: Zarr does not come across it.
        assert {"croplayer", "field"} <= {name for name, _ in group.members(max_depth=None)}


def test_a_bucket_is_listed_once_and_only_for_ledgers_that_name_files(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube = make_cube(ADDRESS)
    blocks = [BlockIndex(1100, 5880), BlockIndex(1100, 5881)]
    written = [cube.write_block("croplayer", block, np.zeros((64, 64), np.uint8)) for block in blocks]
    listed: list[object] = []
    real = obstore.list
    monkeypatch.setattr(obstore, "list", lambda *asked: listed.append(asked) or real(*asked))
    found = {}
    for name, files in (("measured", [{}, {}]), ("written", written)):
        ledger = Ledger(tmp_path / f"{name}.jsonl")
        ledger.append("f", [BlockRecord(block, files=f) for block, f in zip(blocks, files, strict=True)])
        found[name] = list(read_results(ledger.path, "f", BlockList.of(blocks), ADDRESS).blocks), len(listed)
    assert found == {"measured": (blocks, 0), "written": (blocks, 1)}


def test_a_cube_in_a_bucket_opens_lazily(bucket: str, tmp_path: Path) -> None:
    make_cube(ADDRESS)
    make_cube(tmp_path / "cube.zarr")
    remote, local = open_cube(ADDRESS), open_cube(tmp_path / "cube.zarr")
    assert remote.croplayer.chunksizes == local.croplayer.chunksizes and remote.rio.crs == "EPSG:4326"
    west, south, _, _ = remote.rio.bounds()
    part = open_cube(ADDRESS, (west, south, west + 0.05, south + 0.05))
    assert dict(part.sizes)["x"] == 64
    for name in ("croplayer", "rgb", "imagery_valid"):
        np.testing.assert_array_equal(remote[name], local[name])
    with pytest.raises(ValueError, match="cannot be looked up beside"):
        open_cube(ADDRESS, "Hubei")


def test_what_is_not_there_is_said(bucket: str) -> None:
    with pytest.raises(FileNotFoundError, match="s3://cubes/nothing is not a cube"):
        Cube.open("s3://cubes/nothing")
    assert not has_key("s3://cubes/nothing", "zarr.json")


def test_blocks_that_lost_the_metadata_of_their_edition_are_kept(bucket: str) -> None:
    make_cube(ADDRESS)
    before = contents(ADDRESS)
    obstore.delete(bucket_of(ADDRESS), "2020/zarr.json")
    with pytest.raises(SchemaError, match=f"edition '2020' of {ADDRESS} has lost its metadata 2020/zarr.json"):
        make_cube(ADDRESS)
    assert contents(ADDRESS).keys() == before.keys() - {"2020/zarr.json"}


def test_a_store_travels_without_its_keys(bucket: str) -> None:
    store = open_store(ADDRESS, read_only=False)
    make_cube(ADDRESS)
    data = pickle.dumps(store) + pickle.dumps(Cube.open(ADDRESS)) + (repr(store) + str(store)).encode()
    assert SECRET.encode() not in data
    again = pickle.loads(pickle.dumps(store))
    assert again.place == ADDRESS and not again.read_only


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("s3://cubes", "expected s3://BUCKET/PREFIX"),
        ("http://cubes/x", "expected s3://BUCKET/PREFIX"),
        ("s3://key:canary@cubes/x", "AWS_"),
        ("s3://cubes/../x", "AWS_|BUCKET"),
        ("s3://cubes/x?secret=canary", "AWS_"),
    ],
)
def test_bad_addresses_are_refused(place: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        check_place(place)
    assert "canary" not in str(caught.value)


RECIPE = """
name = "bucket"
title = "Noise in a bucket"
edition = "2020"
[region]
bounds = [114.0, 34.0, 114.1, 34.05]
[grid]
block_px = 64
cell_px = 32
blend_px = 8
[[sources]]
name = "noise"
kind = "raster"
paths = ["IMAGE"]
[segmentation]
model = "landscape"
[overviews]
[store]
url = "s3://cubes/run/cube.zarr"
"""


def mosaic_on_disk(image: Path, place: Path) -> Path:
    """The cube that the recipe makes, written by its task alone."""
    grid, blocks = BlockGrid(64), BlockRange(1119, 5880, 1, 2)
    CUBE.create(open_store(place, read_only=False), "2020", grid, blocks, ("noise",))
    create_overviews(open_store(place, read_only=False), "2020", grid, blocks, ("noise",))
    task = MosaicTask(Cube.open(place), (RasterSource("noise", (str(image),)),))
    assert all(r.status.is_finished for r in task([BlockIndex(1119, 5880), BlockIndex(1119, 5881)]))
    return place


def noise(path: Path) -> Path:
    """A raster of noise over two blocks."""
    pixels = np.random.default_rng(0).integers(1, 255, (3, 60, 120)).astype(np.uint8)
    settings = {"crs": "EPSG:4326", "transform": from_origin(113.99, 34.06, 1e-3, 1e-3), "dtype": "uint8", "count": 3}
    with rasterio.open(path, "w", driver="GTiff", height=60, width=120, **settings) as file:
        file.write(pixels)
    return path


def test_a_run_writes_a_bucket_resumes_and_verifies(bucket: str, tmp_path: Path) -> None:
    image = noise(tmp_path / "noise.tif")
    recipe, out = tmp_path / "bucket.toml", tmp_path / "run"
    recipe.write_text(RECIPE.replace("IMAGE", str(image)))
    run = ("run", recipe, "-o", out, "--until", "mosaic", "--workers", 1)
    croplayer(*run, models=tmp_path)
    assert not (out / "cube.zarr").exists()
    assert contents(ADDRESS) == contents(mosaic_on_disk(image, tmp_path / "cube.zarr"))
    before = contents(ADDRESS)
    flipped, removed = [k for k in before if k.startswith("2020/rgb/c/")]
    data = bytearray(obstore.get(bucket_of(ADDRESS), flipped).bytes().to_bytes())
    data[len(data) // 2] ^= 1
    obstore.put(bucket_of(ADDRESS), flipped, bytes(data))
    obstore.delete(bucket_of(ADDRESS), removed)
    obstore.put(bucket_of(ADDRESS), "2020/rgb/c/9/9/9/9", b"foreign")
    found = croplayer("verify", out, "--repair", models=tmp_path, check=False)
    assert found.returncode == 1
    for key in (flipped, removed, "2020/rgb/c/9/9/9/9"):
        assert f"{ADDRESS}/{key}" in found.stdout, found.stdout
    obstore.delete(bucket_of(ADDRESS), "2020/rgb/c/9/9/9/9")
    croplayer(*run, models=tmp_path)
    assert contents(ADDRESS) == before
    recipe.write_text(recipe.read_text().replace('edition = "2020"', 'edition = "2021"'))
    assert "begins with 2 blocks of edition '2020'" in croplayer(*run, models=tmp_path).stdout
    carried = {key.replace("2021/", "2020/", 1): value for key, value in contents(ADDRESS).items() if "2021/" in key}
    assert {k: v for k, v in carried.items() if "/c/" in k} == {k: v for k, v in before.items() if "/c/" in k}
    assert "no problems: every file matches its ledger" in croplayer("verify", out, models=tmp_path).stdout
    held = contents(ADDRESS)
    recipe.write_text(recipe.read_text().replace('edition = "2021"', 'edition = "2022"'))
    other = croplayer("run", recipe, "-o", tmp_path / "next", models=tmp_path, check=False)
    assert other.returncode == 2 and f"{ADDRESS} belongs to another run" in other.stderr, other.stderr
    assert contents(ADDRESS) == held
    left = [p for p in (out).rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert not left and SECRET not in os.linesep.join(before)


def test_the_doctor_tries_what_a_bucket_promises(bucket: str, tmp_path: Path) -> None:
    findings = [f for f in examine(ADDRESS, tmp_path) if f.name.startswith("bucket")]
    assert [f.name for f in findings] == ["bucket read", "bucket overwrite", "bucket list", "bucket create"]
    assert all(f.is_fine for f in findings), findings
    assert not list(keys_of(ADDRESS))
    lost = [f for f in examine("s3://nowhere/x", tmp_path) if f.name.startswith("bucket")]
    assert lost and not any(f.is_fine for f in lost)
    assert all("\n" not in f.sentence and SECRET not in f.sentence for f in lost)


def test_a_bucket_that_fails_holds_the_same_bytes(
    bucket: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, recipe, out = noise(tmp_path / "noise.tif"), tmp_path / "bucket.toml", tmp_path / "run"
    recipe.write_text(RECIPE.replace("IMAGE", str(image)))
    with faulty(server) as (proxy, done):
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy)
        croplayer("run", recipe, "-o", out, "--until", "mosaic", "--workers", 1, models=tmp_path)
        assert "no problems: every file matches its ledger" in croplayer("verify", out, models=tmp_path).stdout
        assert done["errors"] and done["late"] and done["lost"], done
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    assert contents(ADDRESS) == contents(mosaic_on_disk(image, tmp_path / "cube.zarr"))


def test_a_write_whose_answer_is_lost_counts_if_its_bytes_are_there(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = obstore.put

    def lose_the_answer(*arguments: Any, **settings: Any) -> None:
        put(*arguments, **settings)
        raise TimeoutError("no answer")

    monkeypatch.setattr(obstore, "put", lose_the_answer)
    assert write_key(ADDRESS, "2020/x", b"all of it") == digest_bytes(b"all of it")
    monkeypatch.setattr(obstore, "put", lambda *_, **__: (_ for _ in ()).throw(TimeoutError("no answer")))
    with pytest.raises(TimeoutError):
        write_key(ADDRESS, "2020/x", b"something else")
    assert read_key(ADDRESS, "2020/x") == b"all of it"


def test_a_bucket_belongs_to_the_run_that_claimed_it(bucket: str, tmp_path: Path) -> None:
    mine, other = tmp_path / "mine" / ".run_id", tmp_path / "other" / ".run_id"
    check_owner(ADDRESS, mine)
    claim_bucket(ADDRESS, mine)
    claim_bucket(ADDRESS, mine)
    check_owner(ADDRESS, mine)
    for refused in (claim_bucket, check_owner):
        with pytest.raises(ValueError, match="belongs to another run, since 2"):
            refused(ADDRESS, other)
    claim_bucket("s3://cubes/run/other.zarr", other)
    obstore.put(open_bucket("s3://cubes"), "run/cube.zarr.owner.json", b"\x00damaged")
    with pytest.raises(ValueError, match="since an unknown time"):
        check_owner(ADDRESS, mine)
