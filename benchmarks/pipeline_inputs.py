"""Inputs of the benchmark of whole runs: recipes, and the same work for the plain script."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.plain_script import Job
from croplayer.models.bundles.catalogue import find_bundle
from croplayer.products.open import product_files
from pipelines.engine.inputs import Inputs
from pipelines.recipe_files import RECIPES
from pipelines.recipe_sources import FolderSource, RasterImagery, Source
from pipelines.run import open_run

BLOCK_PX = 2560
ZOOM = 16
MODEL = "default_fast"
"""Included model that runs and the plain script segment with: the one for CPUs."""
PROVINCES = 4
COUNTRY_BOUNDS = (115.1, 34.95, 115.3, 35.05)
"""4 x 2 blocks, on which four provinces meet."""

HEAD = """name = "pipeline"
title = "Synthetic blocks of the benchmark"
about = "SYNTHETIC: the run shows what blocks cost, nothing else."

[region]
bounds = {bounds}

[grid]
block_px = {block_px}
cell_px = 512
blend_px = 32

[terrain]
path = "{country}/dem.tif"

[segmentation]
model = "{model}"
runtime = "{runtime}"

[coverage]
model = "landscape_coverage"

[[admin]]
level = 1
path = "{country}/provinces.gpkg"

[statistics]
path = "{country}/statistics.csv"

[export]
level = 1
"""
SOURCE = """
[[sources]]
name = "{name}"
kind = "tiles"
template = "{country}/tiles/{name}/{{z}}/{{x}}/{{y}}.jpg"
zoom = {zoom}
"""
PRODUCT = """
[[products]]
name = "{name}"
title = "{key} (synthetic)"
path = "{country}/products/{key}"
"""
LEGENDS = {
    "CACD": "crop_codes = [1]\nknown_codes = [0, 1, 2]\nnodata = [0]\n",
    **{key: f'legend = "{key}"\n' for key in ("CLCD", "ESA", "ESRI", "FROM", "FCS30", "GL30", "SinoLC")},
}
"""How each of the eight products is read; the synthetic CACD has a legend of its own."""


def country_recipe(
    folder: Path,
    country: Path,
    bounds: tuple[float, ...] = COUNTRY_BOUNDS,
    model: str = MODEL,
    runtime: str = "torch",
) -> Path:
    """Write the recipe of a synthetic country with two sources and eight products; returns its file."""
    text = HEAD.format(bounds=list(bounds), block_px=BLOCK_PX, country=country, model=model, runtime=runtime)
    for name in ("aster", "borealis"):
        text += SOURCE.format(name=name, country=country, zoom=ZOOM)
    for key, legend in LEGENDS.items():
        text += PRODUCT.format(name=key.lower(), key=key, country=country) + legend
    return _written(folder / f"{runtime}.toml", text)


def swellendam_recipe(folder: Path) -> Path:
    """Write the included recipe of the real images with included models in the place of those that it trains."""
    text = (RECIPES / "swellendam.toml").read_text(encoding="utf-8")
    for kind, included in (("naip_fields", MODEL), ("naip_coverage", "default_coverage")):
        text = re.sub(rf'model = "{kind}"\nrecipe = "naip_fields"\n', f'model = "{included}"\n', text)
    return _written(folder / "swellendam.toml", text)


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def plain_job(recipe: Path, out: Path) -> Job:
    """The work of a run for the plain script: the same blocks, files, network and codes of cropland."""
    run = open_run(str(recipe), out)
    inputs, parts = run.inputs, run.recipe
    assert parts.segmentation is not None
    products = [
        {"name": part.name, "files": list(product_files(part.path)), "crop_codes": list(read.crop_codes)}
        for part, read in zip(parts.products, inputs.products, strict=True)
    ]
    return {
        "block_px": parts.grid.block_px,
        "blocks": _boxes(inputs),
        "sources": [_source(part) for part in parts.sources],
        "dem": parts.terrain.path if parts.terrain else None,
        "model": str(find_bundle(parts.segmentation.model)),
        "threshold": parts.segmentation.threshold,
        "products": products,
        "units": next((unit.path for unit in parts.admin), None),
    }


def _boxes(inputs: Inputs) -> dict[str, list[float]]:
    return {block.name: list(inputs.grid.bounds(block)) for block in inputs.blocks}


def _source(part: Source) -> dict[str, object]:
    match part:
        case FolderSource():
            return {"name": part.name, "template": part.template, "zoom": part.zoom}
        case RasterImagery():
            return {"name": part.name, "paths": list(part.paths)}
    raise TypeError(f"source '{part.name}' is of kind {part.kind}; the plain script reads tiles and rasters in files")
