"""What a block is read from changes with every file that is read with a raster, and with nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.transform import from_origin
from shared.source_files import BLOCK, GRID, texture, write_items, write_mask_beside, write_raster

from croplayer.files.change_times import YOUNG_NS
from croplayer.files.file_cache import forget_files
from croplayer.products.codes import RasterCodes
from croplayer.products.stac_codes import StacCodes
from croplayer.sources.elevation import ElevationRaster
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
from croplayer.tasks.reading import Reading


def world(west: float) -> str:
    return f"1e-4\n0\n0\n-1e-4\n{west}\n34.105\n"


BESIDE: dict[str, tuple[Callable[[Path], object], bool]] = {
    ".tif.msk": (lambda p: write_mask_beside(p, np.eye(300, dtype=np.uint8) * 255), False),
    ".tif.aux.xml": (
        lambda p: p.with_name("scene.tif.aux.xml").write_text(
            '<PAMDataset><PAMRasterBand band="1"><NoDataValue>7</NoDataValue></PAMRasterBand></PAMDataset>'
        ),
        False,
    ),
    ".tfw": (lambda p: p.with_suffix(".tfw").write_text(world(113.99)), True),
    ".WLD": (lambda p: p.with_suffix(".WLD").write_text(world(113.99)), True),
}
"""What writes a file beside a raster, and whether the raster then has no place of its own."""


def contents(*sources: Any) -> list[str]:
    """Digests of what the block is read from, as a run that begins now finds them."""
    forget_files()
    return [source.content_of(BLOCK, GRID) for source in sources]


@pytest.mark.parametrize("ending", BESIDE)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_file_that_is_read_with_a_raster_is_seen_and_counts(tmp_path: Path, ending: str) -> None:
    """Also one that appears beside a raster, whose own times stay as they are."""
    write, gives_place = BESIDE[ending]
    nowhere = {"crs": None, "transform": None} if gives_place else {}
    path = write_raster(tmp_path / "scene.tif", texture(1), **nowhere)
    crs = "EPSG:4326" if gives_place else None
    every = (RasterCodes((str(path),), crs), ElevationRaster(str(path), crs))
    beside = path.with_name(f"scene{ending}")
    if gives_place:
        beside.write_text(world(113.98))
    before = contents(*every)
    assert all(str(beside) in source.files_of(BLOCK, GRID) for source in every)
    write(path)
    after = contents(*every)
    assert not set(before) & set(after)
    path.with_name("notes about the scene.txt").write_text("no pixel comes from here")
    path.with_name("scene.json").write_text("{}")
    assert contents(*every) == after


def test_assets_on_this_machine_are_part_of_their_items(tmp_path: Path) -> None:
    here, linked = (write_raster(tmp_path / f"{name} 1.tif", texture()) for name in ("here", "linked"))
    items = write_items(tmp_path / "items.json", here.name, linked.as_uri())
    sources = (StacSource("a", items, ("visual",)), StacCodes(items, "visual", band=1))
    found = [contents(*sources)]
    for seed, path in enumerate((here, linked), start=1):
        write_raster(path, texture(seed=seed))
        found.append(contents(*sources))
    assert [len({*three}) for three in zip(*found, strict=True)] == [3, 3]
    assert all({items, str(here), str(linked)} <= set(source.files_of(BLOCK, GRID)) for source in sources)


def test_times_of_a_file_that_is_replaced_while_it_is_cached_prove_nothing(tmp_path: Path) -> None:
    """The pixels are those of before, so a record with the times of today would hide the change for good."""
    path = write_raster(tmp_path / "scene.tif", texture())
    reading = Reading((RasterSource("a", (str(path),)),), GRID)
    time.sleep(2 * YOUNG_NS / 1e9)
    forget_files()
    first = reading.origins(BLOCK)
    assert first.seen
    time.sleep(2 * YOUNG_NS / 1e9)
    write_raster(tmp_path / "new.tif", texture(seed=1)).replace(path)
    time.sleep(2 * YOUNG_NS / 1e9)
    assert reading.origins(BLOCK) == (first.read, {})
    forget_files()
    now = reading.origins(BLOCK)
    assert now.read != first.read and now.seen


def test_a_raster_that_is_renamed_keeps_its_content(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", texture())
    write_mask_beside(path, np.eye(300, dtype=np.uint8) * 255)
    before = contents(RasterSource("a", (str(path),)))
    (tmp_path / "later").mkdir()
    for file in (path, path.with_name("scene.tif.msk")):
        file.rename(tmp_path / "later" / file.name.replace("scene", "autumn"))
    assert contents(RasterSource("a", (str(tmp_path / "later/autumn.tif"),))) == before


def test_the_order_counts_only_where_several_rasters_meet_a_block(tmp_path: Path) -> None:
    near = [str(write_raster(tmp_path / f"{seed}.tif", texture(seed=seed))) for seed in (1, 2)]
    far = str(write_raster(tmp_path / "far.tif", texture(), transform=from_origin(20, 10, 1e-4, 1e-4)))
    in_order, swapped, with_far = contents(
        RasterSource("a", tuple(near)), RasterSource("a", tuple(near[::-1])), RasterSource("a", (far, *near))
    )
    assert in_order != swapped and in_order == with_far
