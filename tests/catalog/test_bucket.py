"""A catalog in a bucket, of a run on a disk."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from moto.server import ThreadedMotoServer
from shared.handed_out import handed_out_run

from croplayer.catalog.place import CatalogPlace
from pipelines.cli import main
from stores.places import bucket_of, keys_of, read_key


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of an empty prefix of a bucket on this machine, and the environment that opens it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "something",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert requests.put(f"http://{host}:{port}/maps", timeout=10).status_code == 200
    bucket_of.cache_clear()
    yield "s3://maps/stac"
    bucket_of.cache_clear()
    server.stop()


def test_a_catalog_in_a_bucket_is_the_one_on_disk(bucket: str, tmp_path: Path) -> None:
    run = handed_out_run(tmp_path / "run")
    options = ["--data", "https://data.example.org/north"]
    for out in (bucket, str(tmp_path / "disk")):
        done = CliRunner().invoke(main, ["publish", str(run), "-o", out, *options])
        assert done.exit_code == 0, done.output
    keys = list(keys_of(bucket))
    assert "collection.json" in keys and len(keys) == sum(path.is_file() for path in (tmp_path / "disk").rglob("*"))
    for key in keys:
        assert read_key(bucket, key) == (tmp_path / "disk" / key).read_bytes()
    cube = json.loads(read_key(bucket, "items/cube.json"))
    assert cube["assets"]["cube"]["href"] == "https://data.example.org/north/cube.zarr/2020"


def test_a_bucket_that_is_not_there_is_told_in_a_line(bucket: str, tmp_path: Path) -> None:
    run = handed_out_run(tmp_path / "run")
    done = CliRunner().invoke(
        main, ["publish", str(run), "-o", "s3://nowhere/stac", "--data", "https://example.org/north"]
    )
    told = [line for line in done.output.splitlines() if "nowhere" in line]
    assert done.exit_code == 2 and len(told) == 1, done.output
    assert told[0].startswith("croplayer: ") and "nowhere/stac" in told[0]


def test_a_bucket_needs_the_address_of_the_data(tmp_path: Path) -> None:
    place = CatalogPlace("s3://maps/stac")
    with pytest.raises(ValueError, match="say with --data where"):
        place.file_href(tmp_path / "blocks.parquet", tmp_path, "items/blocks.json")
