"""Rasters on a server: the pixels of the file, through the guard that holds for tiles."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from shared.range_server import FileServer, serve_files
from shared.source_files import BLOCK, BOUNDS, GRID, texture, write_items, write_mask_beside, write_raster

from croplayer.files.change_times import YOUNG_NS
from croplayer.files.file_cache import forget_files
from croplayer.products.codes import RasterCodes
from croplayer.products.stac_codes import StacCodes
from croplayer.sources import remote_raster
from croplayer.sources.access import Access
from croplayer.sources.elevation import ElevationRaster
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
from croplayer.tasks.reading import Reading

WINDOW = GRID.window(BLOCK)
RIGHTS = Access(True)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_raster, "FIRST_WAIT_S", 0.01)
    forget_files()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    folder = tmp_path / "www"
    folder.mkdir()
    scene = write_raster(folder / "scene.tif", texture(3, 1500), tiled=True, blockxsize=256, blockysize=256)
    write_mask_beside(scene, np.repeat([[255, 0]], 750, axis=1).astype(np.uint8).repeat(1500, axis=0))
    write_raster(folder / "map.tif", texture(1))
    with serve_files(folder) as running:
        yield running


def test_another_address_is_noticed(server: FileServer) -> None:
    """Of the same settings; nothing of a server tells that a file changed, but its address does."""
    write_raster(server.folder / "other.tif", texture(3, seed=5))
    here = write_raster(server.folder.parent / "here.tif", texture(3, seed=7))
    time.sleep(2 * YOUNG_NS / 1e9)
    forget_files()
    scene, other, map_ = (f"{server.url}/{name}.tif" for name in ("scene", "other", "map"))
    orders = ([scene], [other], [scene, other], [other, scene], [scene, str(here)], [str(here), scene])
    imagery = [RasterSource("a", tuple(paths), access=RIGHTS) for paths in orders]
    codes = [RasterCodes((url,), band=1, access=RIGHTS) for url in (map_, other)]
    heights = [ElevationRaster(url, band=1, access=RIGHTS) for url in (map_, other)]
    for readers in (imagery, codes, heights):
        assert len({reader.settings() for reader in readers}) == 1
        asked, beside = ([Reading((r,), GRID, asks_network=asks) for r in readers] for asks in (True, False))
        assert len({reading.times_under(BLOCK) for reading in asked}) == len(readers)
        assert len({reading.content_under(BLOCK) for reading in asked}) == len(readers)
        assert [r.content_under(BLOCK) for r in beside] == [r.content_under(BLOCK) for r in asked]


@pytest.mark.parametrize("sends_parts", [True, False])
def test_a_raster_on_a_server_has_the_pixels_of_the_file(server: FileServer, sends_parts: bool, tmp_path: Path) -> None:
    """Its mask beside it counts as for a file, and a server that sends whole files only is all right too."""
    server.sends_parts = sends_parts
    expected = RasterSource("a", (str(server.folder / "scene.tif"),)).read(WINDOW, GRID)
    raster = RasterSource("a", (f"{server.url}/scene.tif",), access=RIGHTS)
    items = write_items(tmp_path / "items.json", f"{server.url}/scene.tif?se=1")
    stac = StacSource("a", items, ("visual",), access=Access(True, ("127.0.0.1",), private_network=True))
    for source in (raster, stac):
        source.check(BOUNDS)
        found = source.read(WINDOW, GRID)
        np.testing.assert_array_equal(found.rgb, expected.rgb)
        np.testing.assert_array_equal(found.valid, expected.valid)
        assert source.is_remote
    assert raster.files_of(BLOCK, GRID) == (f"{server.url}/scene.tif",)
    assert stac.files_of(BLOCK, GRID) == (items, f"{server.url}/scene.tif?se=1")
    assert 0.4 < expected.valid.mean() < 0.6
    codes = RasterCodes((f"{server.url}/map.tif",), access=RIGHTS)
    codes.check(BOUNDS)
    (part,), (same,) = (list(c.parts(WINDOW, GRID)) for c in (codes, RasterCodes((str(server.folder / "map.tif"),))))
    np.testing.assert_array_equal(part.codes, same.codes)
    assert ElevationRaster(f"{server.url}/map.tif", access=RIGHTS).block_terrain(BLOCK).elevation_void_fraction == 0


def test_only_the_parts_that_are_needed_are_fetched(server: FileServer) -> None:
    size = (server.folder / "scene.tif").stat().st_size
    source = RasterSource("a", (f"{server.url}/scene.tif",), access=RIGHTS)
    source.check(BOUNDS)
    asked = [(path, start) for path, start in server.asked if path == "/scene.tif"]
    assert len(asked) == len(set(asked)) <= 2 < size / remote_raster.PART_BYTES
    assert not [path for path, _ in server.asked if not path.startswith("/scene.tif")]


def test_nothing_is_fetched_without_rights(server: FileServer, tmp_path: Path) -> None:
    address = f"{server.url}/scene.tif"
    items = write_items(tmp_path / "items.json", address)
    for make in (
        lambda: RasterSource("a", (address,)),
        lambda: RasterCodes((address,)),
        lambda: ElevationRaster(address),
        lambda: StacSource("a", items, ("visual",)).check(BOUNDS),
        lambda: StacSource("a", items, ("visual",)).read(WINDOW, GRID),
        lambda: StacCodes(items, "visual").check(BOUNDS),
        lambda: StacCodes(items, "visual", access=Access(True, ("localhost",))).check(BOUNDS),
    ):
        with pytest.raises(PermissionError, match=r"i_have_rights = true|add '127\.0\.0\.1' to hosts"):
            make()
    assert not server.asked


def test_a_name_in_an_item_must_not_lead_into_a_private_network(server: FileServer, tmp_path: Path) -> None:
    items = write_items(tmp_path / "items.json", f"{server.url}/scene.tif")
    source = StacSource("a", items, ("visual",), access=Access(True, ("127.0.0.1",)))
    with pytest.raises(ConnectionError, match="private network; if that is meant, set private_network = true"):
        source.check(BOUNDS)
    assert not server.asked


def test_a_redirect_does_not_leave_the_hosts(server: FileServer) -> None:
    server.status, server.location = 302, "http://169.254.169.254/latest/meta-data"
    with pytest.raises(ConnectionError, match=r"was redirected to 169\.254\.169\.254, which is not one of its hosts"):
        RasterSource("a", (f"{server.url}/scene.tif",), access=RIGHTS).check(BOUNDS)


@pytest.mark.parametrize(
    ("status", "message"),
    [(403, "is refused with status 403 by 127.0.0.1; check the token"), (404, "does not exist"), (503, "status 503; run the same"), (416, "status 416")],
)  # fmt: skip
def test_what_a_server_does_not_give_is_an_error_and_no_missing_imagery(
    server: FileServer, status: int, message: str
) -> None:
    source = RasterSource("a", (f"{server.url}/scene.tif",), access=RIGHTS)
    source.check(BOUNDS)
    forget_files()
    server.status = status
    for reach in (lambda: source.check(BOUNDS), lambda: source.read(WINDOW, GRID)):
        with pytest.raises(ConnectionError, match=rf"raster http://127\.0\.0\.1:\d+/scene\.tif .*{message}"):
            reach()


def test_a_server_that_fails_in_the_middle_fails_the_read(server: FileServer) -> None:
    source = RasterSource("a", (f"{server.url}/scene.tif",), access=RIGHTS)
    source.check(BOUNDS)
    server.status = 500
    with pytest.raises(ConnectionError, match=r"scene\.tif was answered with status 500"):
        source.read(WINDOW, GRID)
    server.status = None
    assert source.read(WINDOW, GRID).valid.any()


def test_a_server_that_does_not_tell_of_the_mask_fails_the_read(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error for the mask beside a raster must not read as "there is no mask"."""
    real = remote_raster.fetch

    def fetch(url: str, *rest: object) -> object:
        return real(f"http://127.0.0.1:9/{url[-8:]}" if url.endswith(".msk") else url, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(remote_raster, "fetch", fetch)
    with pytest.raises(ConnectionError, match=r"scene\.tif\.msk could not be fetched"):
        RasterSource("a", (f"{server.url}/scene.tif",), access=RIGHTS).check(BOUNDS)


def test_a_token_stands_in_an_address_and_in_no_message(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROPLAYER_TOKEN_MAPS", "canary/7f3a")
    access = Access(True, token_env="CROPLAYER_TOKEN_MAPS")
    source = RasterSource("a", (f"{server.url}/scene.tif?key={{token}}",), access=access)
    source.check(BOUNDS)
    assert server.asked[0] == ("/scene.tif?key=canary%2F7f3a", 0)
    server.status = 403
    forget_files()
    with pytest.raises(ConnectionError) as caught:
        source.check(BOUNDS)
    assert "canary" not in str(caught.value) + repr(source) + repr(caught.value.__context__)
    with pytest.raises(ValueError, match="may be a secret"):
        RasterSource("a", (f"{server.url}/scene.tif?key=canary",), access=RIGHTS)


def test_what_is_no_geotiff_is_refused(server: FileServer) -> None:
    (server.folder / "page.tif").write_text("<html>" * 100)
    with pytest.raises(ValueError, match=r"page\.tif cannot be opened as GeoTIFF"):
        RasterSource("a", (f"{server.url}/page.tif",), access=RIGHTS).check(BOUNDS)
