"""Labelled images for training coverage types: a folder with a table, read within limits on size."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from croplayer.files.text_tables import read_text_table
from croplayer.models.networks.coverage_network import thumbnail
from stores.columns import COVERAGE_TYPE
from stores.legends import CoverageType

LABELS_NAME = "labels.csv"
SAMPLE_FORMATS = ("PNG", "JPEG", "WEBP")
MOST_SAMPLE_PX = 8192
"""Longest edge of a sample's image."""
MOST_SAMPLE_BYTES = 64 * 1024**2
_TYPES = {t.label: t for t in CoverageType}


class CoverageSamples(NamedTuple):
    """Labelled thumbnails in the order of the label table."""

    images: tuple[str, ...]
    thumbnails: np.ndarray
    """(n, 128, 128, 3) uint8."""
    types: np.ndarray
    """(n,) int64 CoverageType."""
    origins: tuple[str, ...]
    """Origin of each sample: real, real cloud composited, or synthetic."""
    scenes: tuple[str, ...]
    """The scene each sample was cut from; the sample's own name where the table has no column ``scene``."""


def read_coverage_samples(samples: Path) -> CoverageSamples:
    """Read ``images/`` and ``labels.csv`` (image, coverage_type, origin) of a samples folder.

    ``coverage_type`` is a label such as "Cloudy" or its code. Pixels with alpha 0 have no imagery. An optional column
    ``scene`` keeps samples of one scene together when they are split. Images lie in ``images``; their edges, which are
    read from the header before an image is decoded, are at most MOST_SAMPLE_PX.

    Raises FileNotFoundError or ValueError naming the file and the row.
    """
    table_path = Path(samples) / LABELS_NAME
    if not table_path.is_file():
        raise FileNotFoundError(f"{samples} holds no {LABELS_NAME}")
    table = read_text_table(table_path, "labels")
    missing = {"image", COVERAGE_TYPE, "origin"} - set(table.columns)
    if missing:
        raise ValueError(f"{table_path} lacks column '{min(missing)}'; it has {', '.join(table.columns)}")
    if table.empty:
        raise ValueError(f"{table_path} holds no sample")
    types = [_parsed_type(value, table_path, row) for row, value in enumerate(table[COVERAGE_TYPE], start=2)]
    paths = [_checked_image(name, table_path, row) for row, name in enumerate(table["image"], start=2)]
    scenes = table["scene" if "scene" in table.columns else "image"]
    return CoverageSamples(
        images=tuple(table["image"]),
        thumbnails=np.stack([_read_thumbnail(path) for path in paths]),
        types=np.array(types),
        origins=tuple(table["origin"]),
        scenes=tuple(scenes),
    )


def _parsed_type(value: str, table_path: Path, row: int) -> int:
    if value in _TYPES:
        return int(_TYPES[value])
    if value.isdigit() and int(value) in set(CoverageType):
        return int(value)
    raise ValueError(
        f"{table_path} line {row} field 'coverage_type' is '{value}'; expected one of {', '.join(_TYPES)} or 0..4"
    )


def _checked_image(name: str, table_path: Path, row: int) -> Path:
    root = (table_path.parent / "images").resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise ValueError(f"{table_path} row {row}: image '{name}' lies outside {root}; put it there")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is named in {LABELS_NAME} but does not exist")
    _check_picture(path)
    return path


def _check_picture(path: Path) -> None:
    """Check the header alone: a file of a few bytes can declare more pixels than fit into memory."""
    size = path.stat().st_size
    if size > MOST_SAMPLE_BYTES:
        raise ValueError(f"image {path} has {size} bytes; expected at most {MOST_SAMPLE_BYTES}")
    try:
        with warnings.catch_warnings():
            # Pillow only warns about large images; they are refused below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=SAMPLE_FORMATS) as image:
                width, height = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"image {path} cannot be read as {', '.join(SAMPLE_FORMATS)}: {error}") from error
    if max(width, height) > MOST_SAMPLE_PX:
        raise ValueError(f"image {path} is {width} x {height} px; expected edges of at most {MOST_SAMPLE_PX}")


def _read_thumbnail(path: Path) -> np.ndarray:
    with Image.open(path, formats=SAMPLE_FORMATS) as image:
        rgba = np.asarray(image.convert("RGBA"))
    return thumbnail(np.ascontiguousarray(rgba[..., :3]), rgba[..., 3] > 0)
