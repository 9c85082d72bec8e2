"""Imagery in tiles: which there are, which pixels they have, and what is none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from shared.source_files import BLOCK, BOUNDS, GRID, write_tiles

from croplayer.sources.http_tiles import HttpTiles
from croplayer.sources.tile_image import BadTileError, decode_image
from croplayer.sources.tiles import FolderTiles
from croplayer.sources.xyz import XyzSource, tile_ranges
from stores.grid import Bounds


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiles")
    write_tiles(root, 14, Bounds(BOUNDS.west - 0.03, BOUNDS.south - 0.03, BOUNDS.east + 0.03, BOUNDS.north + 0.03))
    return root


@pytest.mark.parametrize(
    "box",
    [BOUNDS, (-180, -90, 180, 90), (179.9, -1, 180, 1), (11.25, 0, 22.5, 21.943045533438177), (5, 84, 6, 89), (0, 0, 1e-6, 1e-6)],
)  # fmt: skip
@pytest.mark.parametrize("zoom", [0, 5, 7])
def test_tiles_are_counted_as_they_are_listed(box: tuple[float, ...], zoom: int) -> None:
    import morecantile

    listed = {(t.x, t.y) for t in morecantile.tms.get("WebMercatorQuad").tiles(*box, zooms=[zoom])}
    cols, rows = tile_ranges(Bounds(*box), zoom)
    assert listed == {(x, y) for x in cols for y in rows}


def test_the_tiles_of_a_nation_are_not_listed_to_look_for_some(tmp_path: Path) -> None:
    """More than a million tiles; the last ones that are looked for are there."""
    import tracemalloc

    china, zoom = Bounds(73.5, 18.1, 134.8, 53.6), 13
    cols, rows = tile_ranges(china, zoom)
    assert len(cols) * len(rows) > 1e6
    for col in cols:
        path = tmp_path / f"{zoom}/{col}/{rows[-1]}.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(NOISE)
    source = XyzSource("a", FolderTiles(f"{tmp_path}/{{z}}/{{x}}/{{y}}.jpg"), zoom)
    tracemalloc.start()
    source.check(china)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6
    with pytest.raises(ValueError, match=r"has no tile of zoom 13 in the region .*; looked for 6\d of \d{6}$"):
        source.check(Bounds(73.5, 18.3, 134.8, 35.0))


def test_tiles_of_512_px_are_read_where_they_are_configured(tmp_path: Path) -> None:
    """A tile of 512 px is four of 256 px of the next zoom: the same pixels, and each size is refused as the other."""
    import morecantile

    rng = np.random.default_rng(3)
    for tile in morecantile.tms.get("WebMercatorQuad").tiles(*BOUNDS, zooms=[13]):
        large = rng.integers(0, 256, (512, 512, 3)).astype(np.uint8)
        for row in range(2):
            for col in range(2):
                path = tmp_path / f"small/14/{2 * tile.x + col}/{2 * tile.y + row}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                area = (slice(256 * row, 256 * row + 256), slice(256 * col, 256 * col + 256))
                Image.fromarray(large[area]).save(path)
        path = tmp_path / f"large/13/{tile.x}/{tile.y}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(large).save(path)
    large, small = (FolderTiles(f"{tmp_path}/{name}/{{z}}/{{x}}/{{y}}.png") for name in ("large", "small"))
    window = GRID.window(BLOCK)
    found = XyzSource("a", large, 13, tile_px=512)
    found.check(BOUNDS)
    assert found.read(window, GRID).valid.all()
    np.testing.assert_array_equal(found.read(window, GRID).rgb, XyzSource("b", small, 14).read(window, GRID).rgb)
    with pytest.raises(BadTileError, match=r"tile 13/\d+/\d+ of source 'a' is 512 x 512 px; expected 256 x 256"):
        XyzSource("a", large, 13).check(BOUNDS)
    with pytest.raises(BadTileError, match=r"tile 14/\d+/\d+ of source 'b' is 256 x 256 px; expected 512 x 512"):
        XyzSource("b", small, 14, tile_px=512).check(BOUNDS)
    with pytest.raises(ValueError, match="tile_px is 1024; expected 256 or 512"):
        XyzSource("c", large, 13, tile_px=1024)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


NOISE = encoded(Image.effect_noise((256, 256), 80).convert("RGB"), "JPEG")


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 2}, {"progressive": True, "quality": 30}])
def test_jpeg_tiles_have_the_pixels_that_pillow_reads(mode: str, options: dict[str, Any]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    data = encoded(Image.fromarray(noise).resize((256, 256)).convert(mode), "JPEG", **options)
    rgb, valid, *_ = decode_image(data, 256, "tile")
    np.testing.assert_array_equal(rgb, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert valid.all()


def test_transparent_tile_pixels_are_no_imagery() -> None:
    rgba = np.full((256, 256, 4), 200, np.uint8)
    rgba[:100, :, 3] = 0
    rgb, valid, *_ = decode_image(encoded(Image.fromarray(rgba)), 256, "tile")
    assert not valid[:100].any() and valid[100:].all()
    assert (rgb[:100] == 0).all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a JPEG, PNG or WEBP"),
        (b"<html>busy</html>", "is not a JPEG, PNG or WEBP"),
        (b"\xff\xd8\xff" + b"0" * 3_000_000, "a tile has at most"),
        (encoded(Image.new("RGB", (512, 512))), "is 512 x 512 px; expected 256 x 256"),
        (encoded(Image.new("I;16", (256, 256))), "pixels of 16 bits"),
        (encoded(Image.new("CMYK", (256, 256)), "JPEG"), "pixels of mode CMYK"),
        (NOISE[:4000], "truncated or damaged"),
        (NOISE[:3000] + bytes(300) + NOISE[3300:], "truncated or damaged"),
    ],
)
def test_bad_tiles_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(BadTileError, match=message):
        decode_image(data, 256, "tile 14/1/2 of source 'a'")


def test_a_missing_tile_is_no_imagery_and_a_truncated_one_is_an_error(tiles: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(tiles, tmp_path / "tiles")
    source = XyzSource("a", FolderTiles(f"{tmp_path}/tiles/{{z}}/{{x}}/{{y}}.jpg"), 14)
    window = GRID.window(BLOCK)
    _, valid, *_ = source.read(window, GRID)
    assert 0 < valid.mean() < 1
    for path in (tmp_path / "tiles").rglob("*.jpg"):
        path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(BadTileError, match=r"tile_bad: tile 14/\d+/\d+ of source 'a'"):
        source.read(window, GRID)


def test_the_content_of_tiles_is_that_of_their_bytes(tiles: Path, tmp_path: Path) -> None:
    """Neither names nor times count: a copy, links and touched files are the same, a lost tile or other bytes are not."""
    import os
    import shutil

    def source(folder: Path, layout: str = "{z}/{x}/{y}.jpg") -> XyzSource:
        return XyzSource("a", FolderTiles(f"{folder}/{layout}"), 14)

    def content(*args: Any) -> str:
        return source(*args).content_of(BLOCK, GRID)

    before = content(tiles)
    assert content(tiles, "{z}/{y}/{x}.jpg") != before, "rows and columns swapped by mistake"
    shutil.copytree(tiles, tmp_path / "copy")
    (tmp_path / "linked").symlink_to(tmp_path / "copy", target_is_directory=True)
    assert content(tmp_path / "copy") == content(tmp_path / "linked") == before
    first = next(p for p in map(Path, source(tmp_path / "copy").files_of(BLOCK, GRID)) if p.exists())
    status, data = first.stat(), first.read_bytes()
    os.utime(first)
    assert content(tmp_path / "copy") == before
    first.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(first, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert first.stat().st_size == status.st_size and content(tmp_path / "linked") != before
    first.unlink()
    assert content(tmp_path / "copy") != before
    first.write_bytes(data)
    assert content(tmp_path / "copy") == before


def test_nothing_is_fetched_without_stated_rights() -> None:
    with pytest.raises(PermissionError, match="i_have_rights"):
        HttpTiles("https://tiles.example.org/{z}/{x}/{y}.png")
    with pytest.raises(ValueError, match=r"lacks \{z\}"):
        FolderTiles("tiles/{x}/{y}.png")
    with pytest.raises(ValueError, match="token_env"):
        HttpTiles("https://tiles.example.org/{z}/{x}/{y}?k={token}", i_have_rights=True)


def test_mapping_through_a_faulty_server_gives_the_pixels_of_the_folder(country: Path) -> None:
    from croplayer.landscape.server import FaultRule, serve

    local = XyzSource("a", FolderTiles(f"{country}/tiles/aster/{{z}}/{{x}}/{{y}}.jpg"), 13)
    window = GRID.window(BLOCK)
    faults = [FaultRule.parse(f) for f in ("429:0.3:1", "500:0.3:1", "truncated:0.5:1", "html:0.3:1")]
    with serve(country / "tiles", faults=faults, retry_after_s=0) as running:
        remote = XyzSource("a", HttpTiles(running.url("aster"), i_have_rights=True), 13)
        for got, expected in zip(remote.read(window, GRID), local.read(window, GRID), strict=True):
            np.testing.assert_array_equal(got, expected)
