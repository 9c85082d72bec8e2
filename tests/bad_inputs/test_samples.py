"""Bad images and labels to learn from get one sentence that names the file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from shared.bad_files import (
    BOUNDS,
    GIF,
    HUGE_TEXT,
    VRT,
    WARNED_OF,
    Case,
    bytes_of,
    check,
    png,
    raster,
    text_of,
    truncated,
)

from croplayer.models.training.coverage_samples import read_cloud_scenes
from croplayer.models.training.labelled_thumbnails import read_coverage_samples
from croplayer.models.training.scenes import LabelledScenes

pytestmark = WARNED_OF


def labelled(path: Path) -> object:
    """The only scene of a folder, with a polygon on it, as training reads it."""
    fields = path.parent / "fields.gpkg"
    gpd.GeoDataFrame({"image": [path.stem]}, geometry=[shapely.box(*BOUNDS)], crs="EPSG:4326").to_file(fields)
    return LabelledScenes.open(path.parent, fields).read_all()


def labelled_scene(name: str, write: Callable[[Path], object], sentence: str, file: str = "scene.tif") -> Case:
    return Case(f"labelled scene {name}", file, write, labelled, sentence)


def arrays(**members: bytes | Callable[[], bytes]) -> Callable[[Path], object]:
    """An .npz written by hand, so that the headers of its arrays may lie; ``name=b"..."`` are the bytes, or make them."""

    def write(path: Path) -> object:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(f"{name}.npy", data if isinstance(data, bytes) else data())
        return path

    return write


def npy(shape: tuple[int, ...], kind: str = "<f4", data: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": kind, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + data


def clouds(name: str, write: Callable[[Path], object], sentence: str) -> Case:
    return Case(f"cloud scene {name}", "scene.npz", write, lambda path: read_cloud_scenes(path.parent), sentence)


def sample_image(name: str, data: bytes, sentence: str) -> Case:
    def write(path: Path) -> object:
        path.parent.mkdir()
        (path.parent.parent / "labels.csv").write_text("image,coverage_type,origin\na.png,Cloudy,real\n")
        return path.write_bytes(data)

    return Case(
        f"sample image {name}", "images/a.png", write, lambda path: read_coverage_samples(path.parent.parent), sentence
    )


SOUND = npy((4, 4), "<i8", bytes(128))


SAMPLES = [
    labelled_scene("VRT", bytes_of(VRT), "cannot be opened as GeoTIFF"),
    labelled_scene("of another format than its name", raster(), "cannot be opened as PNG", "scene.png"),
    labelled_scene("that is no picture", bytes_of(b"<html></html>"), "cannot be opened as JPEG", "scene.jpg"),
    labelled_scene("without CRS", raster(crs=None), "has no CRS, so its polygons cannot be located"),
    labelled_scene("rotated", raster(transform=rasterio.Affine(7e-4, 1e-5, BOUNDS.west, 1e-5, -7e-4, BOUNDS.north)), "is rotated"),
    labelled_scene("with two bands", raster(pixels=np.ones((2, 80, 80), np.uint8)), "has 2 bands; .*expected RGB of uint8|has 2 bands"),
    labelled_scene("truncated", truncated(raster()), "cannot be (read|opened)"),
    labelled_scene("of 900 megapixels", raster(pixels=np.zeros((1, 1, 1), np.uint8), height=30_000, width=30_000, tiled=True, SPARSE_OK=True), "is 30000 x 30000 px; expected at most 400000000 pixels"),
    clouds("that is no archive", bytes_of(b"<html></html>"), "is not an .npz file"),
    clouds("truncated", truncated(arrays(img=npy((4, 4, 3), data=bytes(192)), msk=SOUND), 0.8), "cannot be read as .npz"),
    clouds("that unpacks to terabytes", arrays(img=npy((10**6, 10**6, 3)), msk=SOUND), "array 'img' has 12000000000000 bytes; expected at most"),
    clouds("that packs a gigabyte into a megabyte", arrays(img=lambda: npy((4, 4, 3), data=bytes(10**9)), msk=SOUND), "array 'img' has 1000000000 bytes, its header says 192"),
    clouds("with less than it says", arrays(img=npy((4, 4, 3), data=bytes(100)), msk=SOUND), "array 'img' has 100 bytes, its header says 192"),
    clouds("of objects", arrays(img=npy((4, 4, 3), "|O"), msk=SOUND), "array 'img' is of object; expected numbers"),
    clouds("with a header that is code", arrays(img=b"\x93NUMPY\x01\x00\x10\x00" + b"__import__('os')", msk=SOUND), "cannot be read as .npz"),
    clouds("without an array", arrays(img=npy((4, 4, 3), data=bytes(192))), "lacks array 'msk'; it has img"),
    sample_image("with a 40 gigapixel header", png(200_000, 200_000, 8, 2, b""), "is 200000 x 200000 px; expected edges of at most 8192|cannot be read"),
    sample_image("with a 100 megapixel header", png(10_000, 10_000, 8, 2, b""), "is 10000 x 10000 px; expected edges of at most 8192"),
    sample_image("HTML", b"<html></html>", "cannot be read as PNG, JPEG, WEBP"),
    sample_image("GIF", GIF, "cannot be read as PNG, JPEG, WEBP"),
    sample_image("with 200 MB of text", png(256, 256, 8, 2, bytes(256 * 769), (b"zTXt", HUGE_TEXT)), "cannot be read as PNG, JPEG, WEBP"),
]  # fmt: skip


SAMPLES.append(
    Case(
        "sample image outside its folder", "labels.csv", text_of("image,coverage_type,origin\n../../a.png,Cloudy,real\n"),
        lambda path: read_coverage_samples(path.parent), r"labels\.csv row 2: image '\.\./\.\./a\.png' lies outside",
    )
)  # fmt: skip


@pytest.mark.parametrize("case", SAMPLES, ids=[c.name for c in SAMPLES])
def test_what_is_wrong_is_said_in_one_sentence_that_names_the_file(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)
