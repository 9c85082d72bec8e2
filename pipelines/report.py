"""Stage report: figures and the one-file report from the tables of the run."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd

from croplayer.durable import write_durable
from croplayer.grid import BlockGrid, BlockIndex, Bounds, PixelWindow
from croplayer.legends import NO_IMAGERY
from croplayer.sources.product import UNKNOWN
from croplayer.tasks.compare import INTEGRATED
from pipelines.compare import own_maps
from pipelines.fingerprint import fingerprint
from pipelines.run import Run
from pipelines.steps import OutputLedger, OutputStep, Step

if TYPE_CHECKING:
    from croplayer.report.page import Section

WINDOW_BLOCKS = (4, 6)
"""Most rows and columns of blocks in the pictures of pixels."""
PICTURE_PX = 720
"""Most pixels along the longer edge of a picture."""
SCENES_SHOWN = 6
STRIP_ROWS = 128
"""Rows of a picture that are read at once."""


def report_step(run: Run) -> OutputStep:
    outputs = OutputLedger(run.folder.outputs, run.folder.root)
    before = [
        (step, file, digest.sha256)
        for step, file, digest in outputs.digests()
        if step != "report" and not step.startswith("export_")
    ]
    return OutputStep(
        name="report",
        fingerprint=fingerprint(
            "report",
            outputs=before,
            models=run.models.digests(run.recipe),
            title=run.recipe.title,
            about=run.recipe.about,
        ),
        make=lambda: make_report(run),
    )


def make_report(run: Run) -> Sequence[Path]:
    """Write the report and its figures; returns their paths."""
    from croplayer.report.page import Report
    from croplayer.report.sections import (
        comparison_section,
        decision_section,
        feature_section,
        map_section,
        quality_section,
        unit_section,
    )

    recipe = run.recipe
    sections: list[Section] = []
    names = recipe.source_names
    titles = {p.name: p.title for p in (*recipe.products, *([recipe.reference] if recipe.reference else []))}
    blocks = gpd.read_parquet(run.folder.blocks) if recipe.region else None
    if run.cube and blocks is not None:
        window, part = _picture_window(run)
        sections.append(map_section(_pictures(run, window), run.grid.window_bounds(window), part))
        nodata_above = recipe.coverage.nodata_above if recipe.coverage else 0.1
        sections.append(quality_section(blocks, names, nodata_above, recipe.coverage is not None))
        sections.append(feature_section(blocks, names))
        methods = {n: pd.read_csv(run.folder.table(f"{n}_method.csv")).iloc[0] for n in ("correctness", "integration")}
        sections.append(decision_section(blocks, names, methods, dict(zip("AB", names, strict=False))))
    if blocks is not None and titles:
        notes = [f"{p.title}: {p.note}" for p in recipe.products if p.note]
        agreement, products = (_read(run.folder.table(f"{n}.csv")) for n in ("agreement", "products"))
        reference = recipe.reference.name if recipe.reference else None
        if run.cube:
            sections.append(comparison_section(blocks, agreement, products, titles, notes, INTEGRATED, reference))
        else:
            sections.append(_product_section(blocks, titles, notes))
    for admin in recipe.admin:
        units = pd.read_csv(run.folder.table(f"units_{admin.level}.csv"), dtype={"adcode": str})
        within = recipe.statistics.consistent_within if recipe.statistics and admin.level == 1 else None
        maps = [*own_maps(run), *(p.name for p in recipe.products)]
        shown = titles | {INTEGRATED: "integrated map", "merge_both": "merge both"}
        sections.append(unit_section(units, admin.level, maps, shown, within))
    sections += _model_sections(run)
    report = Report(recipe.title, [recipe.about] if recipe.about else [], _facts(run, blocks), sections)
    paths = []
    for section in report.sections:
        for picture in section.pictures:
            path = run.folder.figure(f"{picture.name}.png")
            write_durable(path, picture.png)
            paths.append(path)
    write_durable(run.folder.report, report.to_html().encode())
    return [*paths, run.folder.report]


def _facts(run: Run, blocks: pd.DataFrame | None) -> list[tuple[str, str]]:
    import croplayer

    facts = [("recipe", run.recipe.name), ("edition", run.recipe.edition), ("croplayer", croplayer.__version__)]
    if blocks is None:
        return facts
    box = run.bounds
    facts += [
        ("region", f"west {box.west:.4f}, south {box.south:.4f}, east {box.east:.4f}, north {box.north:.4f}"),
        ("blocks", f"{len(blocks):,} of 0.05°, {run.grid.block_px} x {run.grid.block_px} px each"),
    ]
    if run.sources:
        facts.append(("sources", ", ".join(run.recipe.source_names)))
    for column in [c for c in blocks.columns if c.startswith("status_")]:
        counts = blocks[column].value_counts()
        stage = column.removeprefix("status_")
        unfinished = counts.drop([s for s in ("done", "no_imagery") if s in counts]).sum()
        if unfinished:
            facts.append(("INCOMPLETE", f"{stage}: {unfinished} of {len(blocks)} blocks are not finished; run again"))
    return facts


def _picture_window(run: Run) -> tuple[PixelWindow, str]:
    """Pixels shown in the pictures: the region, or its middle when that is large."""
    assert run.cube is not None
    around, n = run.cube.blocks, run.grid.block_px
    rows, cols = min(around.rows, WINDOW_BLOCKS[0]), min(around.cols, WINDOW_BLOCKS[1])
    if (rows, cols) == (around.rows, around.cols):
        return _pixels_of(run.bounds, around.window(run.grid), run.grid), "The whole region is shown."
    middle = sorted(run.blocks)[len(run.blocks) // 2]
    row = min(max(middle.row - rows // 2, around.row), around.row + around.rows - rows)
    col = min(max(middle.col - cols // 2, around.col), around.col + around.cols - cols)
    window = PixelWindow(row * n, col * n, rows * n, cols * n)
    return window, f"A part of {rows} x {cols} blocks around {BlockIndex(*middle).name} is shown."


def _pixels_of(bounds: Bounds, whole: PixelWindow, grid: BlockGrid) -> PixelWindow:
    """Pixels of a window that a box touches."""
    ppd = grid.px_per_degree
    row, row_stop = int((90 - bounds.north) * ppd), math.ceil((90 - bounds.south) * ppd)
    col, col_stop = int((bounds.west + 180) * ppd), math.ceil((bounds.east + 180) * ppd)
    row, col = max(row, whole.row), max(col, whole.col)
    return PixelWindow(row, col, min(row_stop, whole.row_stop) - row, min(col_stop, whole.col_stop) - col)


def _pictures(run: Run, window: PixelWindow) -> list[dict[str, np.ndarray]]:
    """Thinned imagery and masks of a window, block by block; beside the imagery the reference, where there is one."""
    assert run.cube is not None
    step = max(1, -(-max(window.height, window.width) // PICTURE_PX))
    pictures = {s: _thinned(run, "rgb", window, step, s) for s in run.recipe.source_names}
    masks = {s: _thinned(run, "cropland", window, step, s) for s in run.recipe.source_names}
    if run.reference is not None:
        percent = run.reference.read(window, run.grid).on_pixels()[step // 2 :: step, step // 2 :: step]
        pictures["reference: cropland"] = np.where(percent == UNKNOWN, NO_IMAGERY, percent > 50).astype(np.uint8)
    return [pictures, masks | {"integrated map": _thinned(run, "croplayer", window, step, None)}]


def _thinned(run: Run, name: str, window: PixelWindow, step: int, source: str | None) -> np.ndarray:
    assert run.cube is not None
    strips = []
    for top in range(window.row, window.row_stop, step * STRIP_ROWS):
        height = min(step * STRIP_ROWS, window.row_stop - top)
        strip = run.cube.read_window(name, PixelWindow(top, window.col, height, window.width), source)
        strips.append(strip[step // 2 :: step, step // 2 :: step])
    return np.concatenate(strips)


def _read(path: Path) -> pd.DataFrame | None:
    return pd.read_csv(path) if path.exists() else None


def _product_section(blocks: pd.DataFrame, titles: dict[str, str], notes: list[str]) -> Section:
    """Products alone, for a recipe without imagery."""
    from croplayer.report.maps import value_figure
    from croplayer.report.page import Picture, Section
    from croplayer.report.style import png_bytes

    columns = {f"area_fraction_{name}": title for name, title in titles.items() if f"area_fraction_{name}" in blocks}
    figure = value_figure(blocks, columns, dict.fromkeys(columns, "cropland share"))
    return Section(
        "Products", text=notes, pictures=[Picture("products", "Cropland share of each block.", png_bytes(figure))]
    )


def _model_sections(run: Run) -> list[Section]:
    from croplayer.models.bundle import read_manifest
    from croplayer.report.sections import model_section

    folders = run.models.folders(run.recipe)
    if not folders:
        return []
    curves = {}
    for kind, folder in folders.items():
        if (folder / "training.json").exists():
            curves[kind] = pd.DataFrame(json.loads((folder / "training.json").read_text()))
    manifests = {kind: read_manifest(folder) for kind, folder in folders.items()}
    return [model_section(manifests, run.models.digests(run.recipe), curves, _scenes(run, folders))]


def _scenes(run: Run, folders: dict[str, Path]) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Validation scenes with what the model says, for a recipe that trains on its own."""
    part = run.recipe.segmentation
    if part is None or part.training is None or run.recipe.sources:
        return []
    from croplayer.models.bundle import load
    from croplayer.models.inference import mask_from_probability, predict_image
    from croplayer.models.scenes import LabelledScenes
    from croplayer.models.segmentation import SegmentationNetwork

    network = load(folders["segmentation"])
    assert isinstance(network, SegmentationNetwork)
    by_scene = network.manifest.metrics["validation"]["by_scene"] if network.manifest else {}
    training = part.training
    scenes = LabelledScenes.open(Path(training.images), Path(training.polygons), training.image_column)
    _, validate = scenes.split_by_scene(training.validation_fraction, training.seed)
    shown = []
    for scene in sorted(validate.scenes, key=lambda s: by_scene[s.name]["iou"] or 0.0)[:SCENES_SHOWN]:
        arrays = scene.read()
        predicted = mask_from_probability(predict_image(network, arrays.rgb, arrays.valid), part.threshold) == 1
        title = f"{scene.name}, {scene.gsd_m:g} m, IoU {by_scene[scene.name]['iou']:.3f}"
        shown.append((title, arrays.rgb[::2, ::2], arrays.field[::2, ::2], predicted[::2, ::2]))
    return shown


def steps(run: Run) -> list[Step]:
    return [report_step(run)]
