"""The public data that included recipes read: what they hold, where they come from, and what may be done with them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipelines.recipe_files import DATA_VARIABLE, DEFAULT_DATA, RECIPES


class PublicData(NamedTuple):
    """A folder in ``$CROPLAYER_DATA``."""

    content: str
    source: str
    """Address where it is published, and the folder there in brackets; what to write by hand where it is not published"""
    licence: str
    """As its source states it"""
    preparation: str = ""
    """What to do after the download; empty for files that are read as they are"""

    @property
    def origin(self) -> str:
        """How to get it, as part of a sentence."""
        return f"get it from {self.source}" if self.source.startswith("https://") else self.source


PUBLIC_DATA = {
    "naip_fields": PublicData(
        "30 aerial scenes of the US Midwest (NAIP) and hand-drawn fields",
        "https://github.com/superlinear-ai/agoro-field-boundary-detector (data, converted)",
        "MIT (labels); public domain (imagery)",
        "convert the PNG files to GeoTIFF (the file name holds the position of the centre; the half width is 512 m or 1,280 m) "
        "and the annotations to fields.gpkg with a column image",
    ),
    "naip_dates": PublicData(
        "ten dates of the same farmland in North Dakota (NAIP)",
        "https://github.com/opengeos/data (naip)",
        "MIT; public domain (imagery)",
    ),
    "swellendam": PublicData(
        "orthophotos and elevation of Swellendam, South Africa",
        "https://github.com/qgis/QGIS-Training-Data (exercise_data)",
        "GPL-2",
    ),
    "china_admin": PublicData(
        "boundaries of the provinces of China",
        "https://github.com/opengeos/data (china)",
        "not stated for these files; the repository is MIT",
    ),
    "hyde_cropland": PublicData(
        "cropland in per cent of 10 km cells (HYDE 3.2, of OpenLandMap)",
        "https://github.com/GeoTIFF/test-data (files)",
        "not stated there; see OpenLandMap",
        "remove _s0..0cm from the name",
    ),
    "cbers_bahia": PublicData(
        "items of CBERS-4A scenes (2 m) of the west of Bahia, Brazil; the scenes stay on their server and are read in parts",
        "https://data.inpe.br/bdc/stac/v1 (collection CB4A-WPM-PCA-FUSED-1)",
        "CC-BY-4.0",
        "search the API with `croplayer init --stac https://data.inpe.br/bdc/stac/v1 --collection growing=CB4A-WPM-PCA-FUSED-1 "
        "--collection harvested=CB4A-WPM-PCA-FUSED-1 --dates 2024-01/2024-04 --dates 2024-07/2024-09 "
        "--bbox=-45.85,-12.15,-45.75,-12.05 --i-have-rights -o $CROPLAYER_DATA/cbers_bahia/cbers.toml`, which keeps the answers "
        "beside a recipe of its own",
    ),
    "clouds": PublicData(
        "labelled cloud scenes of Landsat and Sentinel-2",
        "https://github.com/dlr-eoc/ukis-csmask (tests/testfiles)",
        "Apache-2.0",
    ),
    "../tables": PublicData(
        "official cropland of the provinces of China, tnls.csv",
        "write tnls.csv into it, a table of official statistics by province (docs/evaluation.md has its columns)",
        "figures of official bulletins",
    ),
}
"""Public data by the name of their folder."""


def data_folder() -> Path:
    """The folder that ``$CROPLAYER_DATA`` names, or its default seen from the working folder."""
    return Path(os.environ.get(DATA_VARIABLE, DEFAULT_DATA)).resolve()


class Wanted(NamedTuple):
    """A file or folder of public data that an included recipe names."""

    recipe: str
    data: str
    """Key of PUBLIC_DATA"""
    path: Path

    @property
    def is_there(self) -> bool:
        """Whether it is a file, or a folder with something in it."""
        return self.path.is_file() or (self.path.is_dir() and any(self.path.iterdir()))


def included_recipes() -> list[str]:
    """Names of the included recipes."""
    return sorted(file.stem for file in RECIPES.glob("*.toml"))


def wanted_by(recipe: str) -> Iterator[Wanted]:
    """What an included recipe and those that train its models name in ``$CROPLAYER_DATA``.

    Raises ValueError for another name.
    """
    names = included_recipes()
    if recipe not in names:
        raise ValueError(f"no included recipe is named '{recipe}'; expected one of {', '.join(names)}")
    text = (RECIPES / f"{recipe}.toml").read_text(encoding="utf-8")
    for path in dict.fromkeys(re.findall(rf'"\${DATA_VARIABLE}/([^"]+)"', text)):
        data = next(name for name in PUBLIC_DATA if path == name or path.startswith(f"{name}/"))
        yield Wanted(recipe, data, (data_folder() / path).resolve())
    for trained in dict.fromkeys(re.findall(r'^recipe = "(\w+)"$', text, re.M)):
        yield from (wanted._replace(recipe=recipe) for wanted in wanted_by(trained))
