"""Fingerprints of sources change with every file that is read with them, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shared.source_files import texture, write_items, write_mask_beside, write_raster

from croplayer.products.codes import RasterCodes
from croplayer.products.stac_codes import StacCodes
from croplayer.sources.elevation import ElevationRaster
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource


def without_georeference(path: Path) -> Path:
    """A raster whose place and CRS are in no tag, so that they can only come from files beside it."""
    return write_raster(path, texture(1), crs=None, transform=None)


BESIDE: dict[str, Callable[[Path], object]] = {
    ".tif.msk": lambda p: write_mask_beside(p, np.eye(300, dtype=np.uint8) * 255),
    ".tif.aux.xml": lambda p: p.with_name("scene.tif.aux.xml").write_text(
        "<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>"
    ),
    ".tfw": lambda p: p.with_suffix(".tfw").write_text("1e-4\n0\n0\n-1e-4\n114\n34\n"),
    ".WLD": lambda p: p.with_suffix(".WLD").write_text("1e-4\n0\n0\n-1e-4\n114\n34\n"),
}


@pytest.mark.parametrize("ending", BESIDE)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_file_that_is_read_with_a_raster_changes_its_fingerprint(tmp_path: Path, ending: str) -> None:
    path = without_georeference(tmp_path / "scene.tif")
    every = (RasterSource("a", (str(path),)), RasterCodes((str(path),)), ElevationRaster(str(path)))
    bare = [source.fingerprint() for source in every]
    BESIDE[ending](path)
    beside = path.with_name(f"scene{ending}")
    first = [source.fingerprint() for source in every]
    beside.write_bytes(beside.read_bytes() + b"\n")
    again = [source.fingerprint() for source in every]
    path.with_name("notes about the scene.txt").write_text("no pixel comes from here")
    path.with_name("scene.json").write_text("{}")
    assert [len({*three}) for three in zip(bare, first, again, strict=True)] == [3, 3, 3]
    assert [source.fingerprint() for source in every] == again


def test_assets_on_this_machine_are_part_of_their_items(tmp_path: Path) -> None:
    here, linked = (write_raster(tmp_path / f"{name} 1.tif", texture()) for name in ("here", "linked"))
    hrefs = (here.name, linked.as_uri(), "far away and not loaded.tif", "https://example.org/elsewhere.tif")
    items = write_items(tmp_path / "items.json", *hrefs)
    sources = (StacSource("a", items, ("visual",)), StacCodes(items, "visual"))
    found = [[source.fingerprint() for source in sources]]
    for seed, path in enumerate((here, linked), start=1):
        write_raster(path, texture(seed=seed))
        found.append([source.fingerprint() for source in sources])
    assert [len({*three}) for three in zip(*found, strict=True)] == [3, 3]


def test_a_raster_that_is_renamed_keeps_its_fingerprint(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", texture())
    write_mask_beside(path, np.eye(300, dtype=np.uint8) * 255)
    before = RasterSource("a", (str(path),)).fingerprint()
    (tmp_path / "later").mkdir()
    for file in (path, path.with_name("scene.tif.msk")):
        file.rename(tmp_path / "later" / file.name.replace("scene", "autumn"))
    assert RasterSource("a", (str(tmp_path / "later/autumn.tif"),)).fingerprint() == before
