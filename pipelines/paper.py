"""The appendix of the paper's figures for a run: what it is drawn from, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd

from croplayer.evaluation.by_unit import levels_by_unit, units_of_centres
from croplayer.evaluation.levels import level_table
from croplayer.evaluation.provinces import with_percentages
from croplayer.evaluation.statistics import match_statistics, read_statistics
from croplayer.files.tables import write_csv
from croplayer.products.legend import LegendFile, read_legend
from pipelines.paper_windows import coverage_examples, land_examples, region_images
from pipelines.run import Run, open_run
from pipelines.stages.aggregate import units_path
from pipelines.stages.report import facts_of, results_of
from stores.durable import digest_file, write_durable
from stores.legends import INTEGRATED
from stores.run_folder import RunFolder, edition_at

if TYPE_CHECKING:
    from croplayer.report.paper.appendix import Appendix
    from croplayer.report.paper.evidence import Evidence
    from croplayer.report.tables import ReportTables

PAGE = "paper.html"
WITHIN = 0.1
"""Deviation from a statistic that counts as consistent where the recipe names none."""


@dataclass(frozen=True)
class Given:
    """What a person gives beside the run."""

    level: int | None = None
    """Level of the admin units; None takes level 1, or the first that the run has"""
    statistics: Path | None = None
    labels: Path | None = None
    comparison: Path | None = None


def drawn_run(place: Path) -> RunFolder:
    """The run of a folder; raises FileNotFoundError or ValueError for a folder that is no run or has no block table yet."""
    folder = edition_at(place)
    if not folder.recipe.is_file():
        raise FileNotFoundError(f"{place} is not the folder of a run; it has no {folder.recipe.name}")
    if not folder.blocks.is_file():
        raise FileNotFoundError(f"{place} has no {folder.blocks.name} yet; run its recipe to the end first")
    return folder


def paper_of(folder: RunFolder, given: Given) -> tuple[Appendix, Evidence]:
    """Draw the appendix of a run; returns it with what it is drawn from.

    Raises ValueError or FileNotFoundError for a level, a statistic, labels or a comparison that do not fit the run.
    """
    from croplayer.report.paper.appendix import appendix_of

    run = open_run(str(folder.root))
    run.output = replace(run.output, folder=folder)
    evidence = evidence_of(run, given)
    facts = facts_of(run.inputs, evidence.results.blocks)
    facts.append(("admin units", f"level {evidence.level}" if evidence.units is not None else "none"))
    return appendix_of(evidence, run.recipe.title, facts), evidence


def evidence_of(run: Run, given: Given) -> Evidence:
    """The tables and pictures that the appendix is drawn from; raises as `paper_of`."""
    from croplayer.models.judging.comparison_file import comparison_file, read_comparison
    from croplayer.report.paper.evidence import Evidence

    results = results_of(run.inputs, run.output)
    level, units, codes = _units(run, results, given)
    if results.within is None:
        results = replace(results, within=WITHIN)
    if given.statistics:
        results = replace(results, statistics_year=None)  # nothing tells the year of that table
    evidence = Evidence(results, run.inputs.grid.block_px, level, units, codes, legends=_legends(run))
    path = comparison_file(given.comparison) if given.comparison else run.inputs.comparison
    if path is not None:
        origin = f"{path.parent.name}/{path.name}, digest {digest_file(path).sha256[:12]}"
        evidence = replace(evidence, comparison=read_comparison(path), comparison_origin=origin)
    if given.labels:
        evidence = replace(evidence, labels=_labels(run, given.labels, results.blocks))
    if not run.recipe.sources:
        return evidence
    land = land_examples(run, evidence)
    return replace(
        evidence,
        images=region_images(run),
        coverage_examples=coverage_examples(run, results.blocks),
        land_examples=land.examples,
        land_map=land.title,
        reasons={"Table 2": land.reason} if land.reason else {},
        unit_levels=_unit_levels(evidence),
    )


def _units(run: Run, results: ReportTables, given: Given) -> tuple[int, pd.DataFrame | None, np.ndarray | None]:
    """The level, its table with percentages where there is a statistic, and the unit of each block's centre."""
    levels = sorted(results.units)
    level = given.level if given.level is not None else (1 if 1 in levels or not levels else levels[0])
    if level not in levels:
        if given.level is not None or given.statistics:
            known = ", ".join(map(str, levels)) or "none"
            raise ValueError(f"the run has no admin units of level {level}; it has {known}")
        return level, None, None
    units = results.units[level]
    if given.statistics:
        maps = [*results.maps, *results.products, *([results.reference] if results.reference else [])]
        table = read_statistics(given.statistics)
        lacking = tuple(code for code in units.adcode if code not in set(table.adcode))
        if len(lacking) == len(units):
            raise ValueError(
                f"statistics {given.statistics} have a row of no unit of level {level}, such as {lacking[0]}"
            )
        matched = match_statistics(units, table, given.statistics, lacking)
        units = with_percentages(units, maps, matched, results.within or WITHIN)
    shapes = gpd.read_parquet(units_path(run.output.folder, level))
    return level, units, units_of_centres(results.blocks, shapes)


def _legends(run: Run) -> Mapping[str, LegendFile]:
    return {p.name: read_legend(p.legend).file for p in run.recipe.products if p.legend}


def _labels(run: Run, folder: Path, blocks: pd.DataFrame) -> np.ndarray:
    from croplayer.active.project import LabelProject
    from croplayer.active.reading import read_copy
    from croplayer.report.paper.samples import labels_of

    project = LabelProject.open(folder)
    if project.settings.block_px != run.inputs.grid.block_px:
        raise ValueError(
            f"the label project {folder} is of blocks of {project.settings.block_px} px, and the run's have "
            f"{run.inputs.grid.block_px} px"
        )
    return labels_of(read_copy(project.gpkg, project.grid), project.grid, blocks)


def _unit_levels(evidence: Evidence) -> pd.DataFrame | None:
    results = evidence.results
    evaluated = results.table("evaluated_blocks")
    if evaluated is None or evidence.units is None or evidence.unit_codes is None:
        return None
    method = results.table("integration_method")
    by_rules = method is not None and pd.isna(method.accuracy.iloc[0])
    judged = [name for name in results.maps if name != INTEGRATED or not by_rules]
    named = evaluated.set_index("block", drop=False).rename_axis(None)

    def levels(own: np.ndarray) -> pd.DataFrame:
        blocks = results.blocks.iloc[own]
        there = named.loc[named.index.intersection(blocks.block)]
        maps, sources = results.maps, results.sources
        return level_table(blocks, there, None, maps, sources, results.reference, judged, results.correct)

    return levels_by_unit(evidence.unit_codes, evidence.units, results.maps, levels)


def write_paper(appendix: Appendix, evidence: Evidence, folder: Path) -> Path:
    """Write the page, its figures as PNG and PDF and its tables as CSV; returns the path of the page."""
    from croplayer.report.page import Table
    from croplayer.report.paper.appendix import csv_of

    for name, picture in appendix.files:
        write_durable(folder / "figures" / f"{name}.png", picture.png)
        write_durable(folder / "figures" / f"{name}.pdf", picture.pdf)
    for shown in appendix.shown:
        tables = [part for part in shown.parts if isinstance(part, Table)]
        if tables:
            write_csv(folder / "tables" / f"{shown.anchor.replace('-', '_')}.csv", csv_of(tables[0]))
    if evidence.unit_levels is not None:
        write_csv(folder / "tables" / "levels_by_unit.csv", evidence.unit_levels)
    page = folder / PAGE
    write_durable(page, appendix.to_html().encode())
    return page
