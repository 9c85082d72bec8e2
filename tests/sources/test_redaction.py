"""The token of a provider is in no message, no address and no file."""

from __future__ import annotations

import logging
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from shared.tile_server import GRID, a_place, blocks_of, decode, source_of, tiles_of

from croplayer.cube.whole_blocks import Cube
from croplayer.landscape.server import Fault, FaultRule, TileServer
from croplayer.sources import http_tiles
from croplayer.sources.addresses import check_public
from croplayer.sources.http_tiles import HttpTiles
from croplayer.sources.redaction import Secret
from croplayer.sources.tile_image import BadTileError
from croplayer.tasks.mosaic import MosaicTask
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockRange
from stores.ledger import Ledger
from stores.records import Status

pytestmark = pytest.mark.usefixtures("short_waits")


def test_the_token_is_shown_nowhere(
    server: TileServer, tile_country: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CROPLAYER_TOKEN_TILES", "canary-7f3a/+ x")
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    tiles = replace(
        tiles_of(server, tries=1, deadline_s=0.5, patience_s=1.0),
        template=f"{server.url('aster')}?key={{token}}",
        token_env="CROPLAYER_TOKEN_TILES",
    )
    told = [repr(tiles), str(Secret("canary-7f3a")), repr(Secret("canary-7f3a"))]
    for fault in Fault:
        server.switch(FaultRule(fault))
        try:
            told.append(repr(tiles.read_tile(a_place(tile_country), decode)))
        except (ConnectionError, BadTileError, PermissionError) as error:
            told += [str(error), repr(error), str(pickle.dumps(error)), repr(error.__context__)]
    unreachable = replace(tiles, template="http://127.0.0.1:9/{z}/{x}/{y}?key={token}")
    with pytest.raises(ConnectionError) as caught:
        unreachable.read_tile(a_place(tile_country), decode)
    told += [str(caught.value), repr(caught.value.__context__), str(pickle.dumps(tiles)), caplog.text]
    assert "GET" in caplog.text
    assert not [text for text in told if "canary" in text]
    with pytest.raises(TypeError, match="environment variable"):
        pickle.dumps(Secret("canary-7f3a"))


T = "https://t.example/"


@pytest.mark.parametrize(
    ("template", "settings", "message"),
    [
        (
            f"{T}{{z}}/{{x}}/{{y}}?access_token=canary",
            {},
            r"may be a secret \(access_token\); write \{token\}.*token_env",
        ),
        ("https://me:canary@t.example/{z}/{x}/{y}", {}, r"may be a secret \(user name or password\)"),
        ("http://t.example/{z}/{x}/{y}?k={token}", {"token_env": "CROPLAYER_TOKEN"}, "would travel unencrypted"),
        ("https://{x}.example/{z}/{x}/{y}", {}, "fixed host"),
        ("file:///etc/{z}/{x}/{y}", {}, "not an http or https address"),
        (f"{T}{{z}}/{{x}}/{{y}}", {"requests_per_s": 0.0}, "requests_per_s is 0.0"),
        (f"{T}{{z}}/{{x}}", {}, "lacks {y}"),
        ("tiles/{z}/{x", {}, "cannot be read"),
        (f"{T}{{z}}/{{x}}/{{y}}?key={{token}}", {}, r"\{token\} needs token_env"),
        (f"{T}{{z}}/{{x}}/{{y}}", {"token_env": "CROPLAYER_TOKEN"}, r"\{token\} needs token_env"),
    ],
)
def test_bad_addresses_are_refused_without_telling_secrets(
    template: str, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        HttpTiles(template, True, **settings)  # type: ignore[arg-type]
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "part",
    [
        *(f"{{z}}/{{x}}/{{y}}?{name}=canary" for name in
          ["tk", "ak", "connectid", "access-token", "api-key", "session", "jwt", "sig", "signature", "AccessToken", "X-Amz-Signature", "code"]),
        "{z}/{x}/{y}?x={x}&tk=canary", "{z}/{x}/{y}?x={x};tk=canary", "{z}/{x}/{y}#token=canary", "tk=canary/{z}/{x}/{y}",
        "{z}/{x}/{y};jsessionid=canary", "3f2a9c0d7e6b4a518c2d3e4f5a6b7c8d/{z}/{x}/{y}", "{z}/{x}/{y}?x={x}canary0123456789abcdefgh",
        "0f8fad5b-d9cb-469f-a165-70867728950e/{z}/{x}/{y}", "{z}/{x}/{y}?tk=%63anary",
    ],
)  # fmt: skip
def test_what_may_be_a_secret_is_refused_wherever_it_lies(part: str) -> None:
    with pytest.raises(ValueError, match=r"holds what may be a secret .*\{token\}") as caught:
        check_public(T + part, None, "address")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        T + "{z}/{x}/{y}.jpg", T + "vt/lyrs=s&x={x}&y={y}&z={z}&hl=en", T + "wmts?service=WMTS&tilematrix={z}&tilecol={x}&tilerow={y}",
        T + "S2A_MSIL2A_20200601T030541_N0500_R075_T49SGU_20230502T123456/visual.tif", T + "m_4709963_se_14_1_20150926.tif",
        T + "GLC_FCS30D_20002022_E110N35_Annual.tif?v=2", T + "ESA_WorldCover_10m_2020_v100_N00E006_Map.tif", "maps/3f2a9c0d7e6b4a518c2d3e4f5a6b7c8d.tif",
    ],
)  # fmt: skip
def test_plain_addresses_hold_no_secret(address: str) -> None:
    check_public(address, None, "address")


@pytest.mark.parametrize(
    "variable", ["AWS_SECRET_ACCESS_KEY", "PATH", "HOME", "GITHUB_TOKEN", "croplayer_token", "CROPLAYER_TOKENS"]
)
def test_only_variables_for_tokens_are_read(variable: str) -> None:
    with pytest.raises(
        ValueError, match=rf"token_env is '{variable}'; expected CROPLAYER_TOKEN or CROPLAYER_TOKEN_NAME"
    ):
        HttpTiles(T + "{z}/{x}/{y}?key={token}", True, token_env=variable)
    HttpTiles(T + "{z}/{x}/{y}?key={token}", True, token_env="CROPLAYER_TOKEN_TILES")


def test_the_token_is_in_nothing_that_a_run_leaves(
    server: TileServer, tile_country: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Requests fail in several ways, then succeed; cube, ledger, cache and task are searched byte by byte."""
    monkeypatch.setenv("CROPLAYER_TOKEN_TILES", "canary-7f3a")
    settings = {"tries": 1, "deadline_s": 0.5, "patience_s": 1.0, "cache": str(tmp_path / "tiles")}
    tiles = replace(
        tiles_of(server, **settings), template=f"{server.url('aster')}?key={{token}}", token_env="CROPLAYER_TOKEN_TILES"
    )
    blocks = blocks_of(tile_country)
    around = BlockRange.around(blocks)
    CUBE.create(DurableStore(tmp_path / "cube.zarr"), "1", GRID, around, ("aster",))
    task = MosaicTask(Cube.open(tmp_path / "cube.zarr"), (source_of(tiles),))
    ledger = Ledger(tmp_path / "ledger.jsonl")
    statuses = set()
    for fault in (Fault.SERVER_ERROR, Fault.HTML, Fault.TRUNCATED, Fault.GZIP_BOMB, None):
        server.switch(*([FaultRule(fault)] if fault else []))
        http_tiles._shared_state.cache_clear()
        records = task(blocks[:1] if fault else blocks)
        statuses |= {r.status for r in records}
        ledger.append("fingerprint", records)
    (tmp_path / "task").write_bytes(pickle.dumps(task) + repr(task).encode())
    assert Status.FAILED in statuses and Status.DONE in statuses
    left = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(left) > 20
    assert not [p for p in left if b"canary" in p.read_bytes()]
