"""Stage report: figures and the one-file report from the tables of the run."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd

from croplayer.files.tables import read_csv
from pipelines.engine.expected import pixel_sizes
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, always
from pipelines.engine.steps import OutputStep
from pipelines.stages.report_fields import worst_fields
from pipelines.stages.report_pictures import Shown, picture_window, pictures, places
from stores import __version__
from stores.columns import step_of_status
from stores.durable import digest_file, write_durable
from stores.legends import NODATA_ABOVE
from stores.step_memory import FILES_OF_UNITS, HEAD
from stores.tables import DECISION_TABLES

if TYPE_CHECKING:
    from croplayer.report.page import Section
    from croplayer.report.tables import ReportTables

SCENES_SHOWN = 6
NEW_OBJECTS = 30_000
"""About as many objects as make up a figure; the garbage collector runs when so many are left over."""


def report(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write the report from all earlier results of the run."""
    tables = {
        name: entry.digest
        for name, entry in output.folder.memory.entries().items()
        # The head is written last, so the report cannot be made from it.
        if entry.files and not entry.is_open and name not in ("report", HEAD) and not name.startswith(FILES_OF_UNITS)
    }
    compared = {"comparison": digest_file(inputs.comparison).sha256} if inputs.comparison else {}
    yield OutputStep(
        name="report",
        made_of={
            "tables": tables,
            "models": inputs.models.digests(inputs.recipe),
            "recipe": inputs.recipe.model_dump(mode="json"),
            "croplayer": __version__,
        }
        | compared,
        make=lambda: make_report(Shown(inputs, output, done)),
    )


TABLES = (
    "agreement", "products", "levels", "evaluated_blocks", "parcels", "features", "statistics_left_over", "product_deviations", "product_slopes", "definitions",
    "fields", "field_figures", "field_reliability", "field_worst", "sample_areas", "sample_accuracy", "sample_notes", "correctness_method", "integration_method",
    "correctness_trial", "integration_trial", "corrections",
    *(f"{name}_{kind}" for name in ("correctness", "integration") for kind in DECISION_TABLES),
)  # fmt: skip
"""Tables that the report reads, where the run made them."""


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Collect garbage about once a figure, not for every few hundred objects of it."""
    before = gc.get_threshold()
    gc.set_threshold(NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@_seldom_collected()
def make_report(run: Shown) -> Sequence[Path]:
    """Write the report and its figures, as PNG and where the recipe asks for it as PDF; returns their paths."""
    from croplayer.report.answers import answers, cautions, steps
    from croplayer.report.page import Report

    recipe = run.inputs.recipe
    results = results_of(run.inputs, run.output) if recipe.region else None
    sections = [*(_sections(run, results) if results else []), *_model_sections(run), *_comparison_sections(run)]
    blocks = results.blocks if results else None
    paths, folder = [], run.output.folder
    about = [recipe.about] if recipe.about else []
    report = Report(
        recipe.title, about, facts_of(run.inputs, blocks), [_finished(section, folder.root) for section in sections]
    )
    if results and results.sources:
        report = replace(
            report, answers=answers(results), cautions=cautions(results), steps=steps(results), has_map=True
        )
    for picture in report.pictures:
        paths.append(folder.figure(f"{picture.name}.png"))
        write_durable(paths[-1], picture.png)
        if recipe.report and recipe.report.pdf:
            paths.append(folder.figure(f"{picture.name}.pdf"))
            write_durable(paths[-1], picture.pdf)
    write_durable(run.output.folder.report, report.to_html().encode())
    return [*paths, run.output.folder.report]


def _finished(section: Section, root: Path) -> Section:
    """A section with the files that are there; details are folded."""
    from croplayer.report.sections_details import GROUP

    files = [name for name in section.files if (root / name).is_file()]
    return replace(section, files=files, is_folded=section.group == GROUP)


def results_of(inputs: Inputs, output: Output) -> ReportTables:
    """The tables of a run that has a region."""
    from croplayer.report.tables import ReportTables

    recipe, folder = inputs.recipe, output.folder
    named = [*recipe.products, *([recipe.reference] if recipe.reference else [])]
    units = {a.level: folder.table(f"units_{a.level}.csv") for a in recipe.admin}
    tables = {name: _read(output, name) for name in TABLES}
    statistics = recipe.statistics
    return ReportTables(
        sources=recipe.source_names,
        products=tuple(p.name for p in recipe.products),
        product_titles={p.name: p.title for p in named},
        reference=recipe.reference.name if recipe.reference else None,
        blocks=pd.DataFrame(gpd.read_parquet(folder.blocks).drop(columns="geometry")),
        units={level: read_csv(path) for level, path in units.items()},
        tables={name: table for name, table in tables.items() if table is not None},
        classes=recipe.decisions.classes,
        correct=recipe.decisions.correct,
        within=statistics.consistent_within if statistics else None,
        stopped_training=bool(statistics and statistics.stopped_training),
        statistics_year=statistics.year if statistics else None,
        edition=recipe.edition,
        strange_pixels=_strange_pixels(inputs),
        nodata_above=recipe.coverage.nodata_above if recipe.coverage else NODATA_ABOVE,
        has_coverage_model=recipe.coverage is not None,
    )


def _strange_pixels(inputs: Inputs) -> str:
    part = inputs.recipe.segmentation
    return pixel_sizes(inputs).strange_to_model(part.model) if part is not None and inputs.sources else ""


def _read(output: Output, name: str) -> pd.DataFrame | None:
    """A table of the run by name, CSV or Parquet; None when the run made none."""
    for suffix in (".csv", ".parquet"):
        path = output.folder.table(f"{name}{suffix}")
        if path.exists():
            return read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
    return None


def _sections(run: Shown, results: ReportTables) -> Iterator[Section]:
    """The sections of the map, its evaluation and the details."""
    from croplayer.report import sections_dates, sections_fields, sections_map, sections_products, sections_proof
    from croplayer.report import sections_decisions as decisions
    from croplayer.report import sections_details as details

    if not run.inputs.sources:
        notes = [f"{p.title}: {p.note}" for p in run.inputs.recipe.products if p.note]
        if results.products:
            yield sections_products.product_only_section(results, notes)
        if results.units:
            yield sections_map.area_section(results)
            yield sections_proof.statistics_section(results)
        return
    window, part = picture_window(run)
    yield sections_map.map_section(pictures(run, window), run.inputs.grid.window_bounds(window), part)
    yield sections_map.area_section(results)
    tables = results.tables
    if "fields" in tables:
        yield sections_fields.fields_section(tables["fields"])
        worst = worst_fields(run, tables["field_worst"]) if "field_worst" in tables else []
        yield sections_fields.field_quality_section(tables.get("field_figures"), tables.get("field_reliability"), worst)
    yield sections_proof.levels_section(results)
    recovered = sections_proof.recovered_section(results)
    if recovered:
        yield recovered
    yield sections_proof.statistics_section(results)
    yield sections_products.products_section(results, places(run, results.blocks))
    yield details.quality_section(results)
    ages = sections_dates.age_section(results)
    if ages:
        yield ages
    reviewed = decisions.sample_section(results)
    if reviewed:
        yield reviewed
    yield decisions.correctness_section(results)
    yield decisions.integration_section(results)
    if "corrections" in tables:
        yield decisions.corrections_section(tables["corrections"])
    yield details.feature_section(results)


def facts_of(inputs: Inputs, blocks: pd.DataFrame | None) -> list[tuple[str, str]]:
    """Name and value of each fact about a run; ``blocks`` is its block table, if it has one."""
    facts = [
        ("recipe", inputs.recipe.name),
        ("edition", inputs.recipe.edition),
        ("croplayer", __version__),
    ]
    if blocks is None:
        return facts
    box = inputs.bounds
    facts += [
        ("region", f"west {box.west:.4f}, south {box.south:.4f}, east {box.east:.4f}, north {box.north:.4f}"),
        ("blocks", f"{len(blocks):,} of 0.05°, {inputs.grid.block_px} x {inputs.grid.block_px} px each"),
    ]
    if inputs.sources:
        from croplayer.report.sections_dates import with_times

        facts.append(("sources", ", ".join(with_times(name, blocks) for name in inputs.recipe.source_names)))
    for column in blocks.columns:
        step = step_of_status(column)
        if step is None:
            continue
        counts = blocks[column].value_counts()
        unfinished = counts.drop([s for s in ("done", "no_imagery") if s in counts]).sum()
        if unfinished:
            facts.append(("INCOMPLETE", f"{step}: {unfinished} of {len(blocks)} blocks are not finished; run again"))
    return facts


def _model_sections(run: Shown) -> list[Section]:
    from croplayer.models.networks.manifest import read_manifest
    from croplayer.models.training.curve import CURVE_NAME
    from croplayer.report.sections_details import model_section

    folders = run.inputs.models.folders(run.inputs.recipe)
    if not folders:
        return []
    curves = {}
    for kind, folder in folders.items():
        if (folder / CURVE_NAME).exists():
            curves[kind] = pd.DataFrame(json.loads((folder / CURVE_NAME).read_text()))
    manifests = {kind: read_manifest(folder) for kind, folder in folders.items()}
    return [model_section(manifests, run.inputs.models.digests(run.inputs.recipe), curves, _scenes(run, folders))]


def _comparison_sections(run: Shown) -> list[Section]:
    """Networks that were compared with each other, where the recipe names a file of them."""
    from croplayer.models.judging.comparison_file import read_comparison
    from croplayer.report.sections_comparison import comparison_section

    path = run.inputs.comparison
    if path is None:
        return []
    origin = f"{path.parent.name}/{path.name}, digest {digest_file(path).sha256[:12]}"
    return [comparison_section(read_comparison(path), origin)]


def _scenes(run: Shown, folders: dict[str, Path]) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Validation scenes with the model's predictions, for a recipe that only trains and holds scenes out of the training."""
    part = run.inputs.recipe.segmentation
    if part is None or part.training is None or part.training.folds or run.inputs.recipe.sources:
        return []
    from croplayer.models.bundles.kinds import load_segmenter
    from croplayer.models.training.scenes import LabelledScenes

    network = load_segmenter(folders["segmentation"])
    by_scene = network.manifest.metrics["validation"]["by_scene"] if network.manifest else {}
    training = part.training
    scenes = LabelledScenes.open(Path(training.images), Path(training.polygons), training.image_column)
    _, validate = scenes.split_by_scene(training.validation_fraction, training.seed)
    shown = []
    for scene in sorted(validate.scenes, key=lambda s: by_scene[s.name]["iou"] or 0.0)[:SCENES_SHOWN]:
        arrays = scene.read()
        probability = network.predict_proba(arrays.rgb, ground_sample_distance_m=scene.gsd_m, valid=arrays.valid)
        predicted = probability >= part.threshold
        title = f"{scene.name}, {scene.gsd_m:g} m, IoU {by_scene[scene.name]['iou']:.3f}"
        shown.append((title, arrays.rgb[::2, ::2], arrays.field[::2, ::2], predicted[::2, ::2]))
    return shown


RULES = (
    Rule(
        "report",
        "report",
        after=(
            *("integrate", "judge", "decide", "corrections", "compare_tables", "block_table", "unit_table"),
            *("levels", "parcels", "sample_areas", "learn", "field_units", "field_figures"),
        ),
        applies=always,
        code=(__name__,),
        steps=report,
    ),
)
