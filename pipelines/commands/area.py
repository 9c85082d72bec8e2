"""Commands for areas with confidence intervals: plan a sample, draw it, estimate from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.area_frame import changed_since, frame_of, units_of

if TYPE_CHECKING:
    import numpy as np

    from croplayer.evaluation.frame import Frame
    from croplayer.evaluation.sample_files import ReviewedSample

CONFIDENCE = 0.95


@click.group()
def area() -> None:
    """Cropland areas with confidence intervals, from a sample that people label."""


_RUN = click.argument("run", type=click.Path(path_type=Path))
_UNITS = click.option("--units", "level", type=int, help="Level of the run's admin units to estimate for, such as 1.")
_BY_UNIT = click.option("--by-unit", is_flag=True, help="Draw in every admin unit separately; needs --units.")
_ACCURACY = click.option(
    "--expect", type=(float, float), default=(0.9, 0.9), show_default=True,
    help="Expected share of mapped not-cropland and of mapped cropland that is correct.",
)  # fmt: skip
_ERROR = click.option(
    "--standard-error", type=float, default=0.01, show_default=True, help="Target, as a share of the mapped area."
)
_LEAST = click.option(
    "--least", type=click.IntRange(2), default=50, show_default=True, help="Fewest points in a stratum."
)


@area.command("plan")
@_RUN
@_UNITS
@_BY_UNIT
@_ACCURACY
@_ERROR
@_LEAST
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(
    run: Path,
    level: int | None,
    by_unit: bool,
    expect: tuple[float, float],
    standard_error: float,
    least: int,
    as_json: bool,
) -> None:
    """Show how many points a stratified sample of the map in RUN needs, and how many fall in each stratum."""
    from croplayer.evaluation.frame import strata_of, stratum_km2
    from croplayer.evaluation.sample_size import expected_standard_error

    _check_by_unit(level, by_unit)
    frame = frame_of(run, level)
    strata, stratum_of_cell = strata_of(frame, by_unit)
    areas = stratum_km2(frame, stratum_of_cell, strata)
    units, expected = _allocation(areas, expect, standard_error, least, None)
    reached = expected_standard_error(areas / areas.sum(), expected, units)
    facts = {
        "points": int(units.sum()),
        "strata": [
            {"stratum": name, "km2": float(km2), "points": int(n)}
            for name, km2, n in zip(strata, areas, units, strict=True)
        ],
        "expected_standard_error": reached,
        "expected_half_width_km2": 1.96 * reached * float(areas.sum()),
        "area_without_map_km2": frame.unknown_km2,
    }
    if as_json:
        click.echo(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    for name, km2, n in zip(strata, areas, units, strict=True):
        click.echo(f"{name:<24} {km2:14,.1f} km² {n:6} points")
    click.echo(f"{'all':<24} {areas.sum():14,.1f} km² {units.sum():6} points")
    click.echo(_reached_words(reached, float(areas.sum())))
    if frame.unknown_km2 > 0:
        click.echo(f"{frame.unknown_km2:,.1f} km² without map are not sampled")


@area.command("draw")
@_RUN
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Sample file: NAME.gpkg.")
@click.option(
    "--design", type=click.Choice(["stratified", "systematic"]), default="stratified", show_default=True,
    help="Random points in every class of the map, or a regular grid.",
)  # fmt: skip
@_UNITS
@_BY_UNIT
@click.option(
    "--points",
    type=click.IntRange(4),
    help="Points to draw; default as many as the standard error needs. For a stratified design.",
)
@_ACCURACY
@_ERROR
@_LEAST
@click.option(
    "--spacing", type=float, default=0.5, show_default=True, help="Degrees between points; for a systematic design."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed draws the same points.")
@click.option(
    "--change", "of_change", is_flag=True,
    help="RUN is the folder of a comparison: draw from gain, loss, stable ground, and stable ground near a change.",
)  # fmt: skip
@click.pass_context
def draw(
    context: click.Context,
    run: Path,
    out: Path,
    design: str,
    level: int | None,
    by_unit: bool,
    points: int | None,
    expect: tuple[float, float],
    standard_error: float,
    least: int,
    spacing: float,
    seed: int,
    of_change: bool,
) -> None:
    """Draw sample points from the map in RUN into files to label: NAME.gpkg, NAME.csv and NAME.design.json."""
    from croplayer.evaluation.frame import strata_of, stratum_km2
    from croplayer.evaluation.sample_drawing import draw_stratified, draw_systematic
    from croplayer.evaluation.sample_files import write_sample
    from croplayer.evaluation.sample_size import expected_standard_error

    if out.suffix != ".gpkg":
        raise ValueError(f"--out is '{out}'; expected a name that ends in .gpkg")
    if of_change and design == "systematic":
        raise ValueError("--change needs a stratified design: a regular grid meets too few changes")
    if of_change and context.get_parameter_source("expect") is click.core.ParameterSource.COMMANDLINE:
        raise ValueError("--expect is of the two classes of a map, and --change draws from five strata; leave it out")
    _check_by_unit(level, by_unit)
    frame, digest = _change_frame(run, level) if of_change else (frame_of(run, level), "")
    if design == "systematic":
        drawn, said = draw_systematic(frame, spacing, seed), None
    else:
        strata, stratum_of_cell = strata_of(frame, by_unit)
        areas = stratum_km2(frame, stratum_of_cell, strata)
        units, expected = _allocation(areas, _expected(expect, of_change), standard_error, least, points)
        drawn = draw_stratified(frame, units, by_unit, seed)
        said = _reached_words(expected_standard_error(areas / areas.sum(), expected, units), float(areas.sum()))
    for path in write_sample(out, replace(drawn, map_digest=digest)):
        click.echo(path)
    words = " or ".join(drawn.classes[::-1])
    click.echo(f"{len(drawn.points)} points; write {words} into 'label' of one of the first two files")
    if said:
        click.echo(said)


@area.command("estimate")
@click.argument("sample", type=click.Path(path_type=Path))
@click.option(
    "--confidence",
    type=float,
    default=CONFIDENCE,
    show_default=True,
    help="Confidence of the intervals, between 0 and 1.",
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="CSV file for the areas; the accuracy is written beside it."
)
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    help="Run or comparison that the sample was drawn from; refuses if its map has changed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def estimate(sample: Path, confidence: float, out: Path | None, run: Path | None, as_json: bool) -> None:
    """Estimate areas and accuracy from SAMPLE, a labelled .gpkg or .csv with its design file beside it."""
    from croplayer.evaluation.area_estimates import estimate_areas
    from croplayer.evaluation.class_estimates import estimate_classes
    from croplayer.evaluation.frame import CLASSES
    from croplayer.evaluation.sample_files import read_sample
    from croplayer.files.tables import write_csv

    reviewed = read_sample(sample)
    of_change = reviewed.design is not None and reviewed.design.classes != CLASSES
    if run is not None:
        (_check_same_change if of_change else _check_same_map)(reviewed, run)
    result = estimate_classes(reviewed, confidence) if of_change else estimate_areas(reviewed, confidence)
    if out:
        write_csv(out, result.areas)
        write_csv(out.with_name(f"{out.stem}_accuracy.csv"), result.accuracy)
    if as_json:
        tables = {"areas": result.areas, "accuracy": result.accuracy}
        facts = {name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}
        facts |= {"method": result.method, "confidence": confidence, "notes": list(result.notes)}
        click.echo(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    click.echo(result.method)
    for row in result.areas.itertuples():
        interval = f"[{row.low_km2:,.1f}, {row.high_km2:,.1f}]" if row.low_km2 == row.low_km2 else "no interval"
        name = f"{row.adcode} {row.name_en}".strip() or "all"
        name = f"{name}: {row.change}" if of_change else name
        click.echo(
            f"{name:<24} {row.points:5} points, mapped {row.mapped_km2:,.1f} km², "
            f"estimate {row.estimate_km2:,.1f} km² {interval}"
        )
    for row in result.accuracy.itertuples():
        interval = f"[{row.low:.3f}, {row.high:.3f}]" if row.low == row.low else "no interval"
        click.echo(f"{row.measure:<36} {row.value:.3f} {interval}")
    for note in result.notes:
        click.echo(note)


def _check_by_unit(level: int | None, by_unit: bool) -> None:
    if by_unit and level is None:
        raise ValueError("--by-unit needs --units with the level of the admin units")


def _change_frame(place: Path, level: int | None) -> tuple[Frame, str]:
    """The sampling frame of a comparison, measured with a progress bar, and the digest of its map."""
    from tqdm import tqdm

    from croplayer.changes.population import ChangePopulation, finished_change
    from croplayer.cube.whole_blocks import Cube
    from croplayer.evaluation.frame import measure_frame
    from stores.change import CHANGE, ChangeFolder

    folder = ChangeFolder(place)
    blocks, digest = finished_change(folder)
    units = units_of(folder.boundaries, place, level)
    progress = tqdm(range(len(blocks)), unit="block", disable=None, leave=False)
    return measure_frame(ChangePopulation(Cube.open(folder.cube, CHANGE), blocks, units), progress), digest


def _check_same_change(sample: ReviewedSample, place: Path) -> None:
    """Raise ValueError unless a comparison is finished and what it was when a sample was drawn from it."""
    from croplayer.changes.population import finished_change
    from stores.change import ChangeFolder

    if sample.design is None or sample.design.map_digest != finished_change(ChangeFolder(place)).digest:
        raise ValueError(
            f"the changes in {place} are not those that the sample was drawn from, so its areas are of another map; draw a "
            "new sample"
        )


def _check_same_map(sample: ReviewedSample, run: Path) -> None:
    """Raise ValueError unless the map of a run is finished and what it was when a sample was drawn from it."""
    if sample.design is None:
        raise ValueError(f"{sample.flaw}; without it the sample cannot be compared with {run}")
    if changed := changed_since(sample.points, run):
        raise ValueError(
            f"at {changed} of {len(sample.points)} points the map of {run} has changed since the sample was drawn, so its "
            "areas are those of the earlier map; draw a new sample"
        )


def _reached_words(standard_error: float, total_km2: float) -> str:
    """The expected precision of a sample, in words."""
    if standard_error == float("inf"):
        return "a stratum has fewer than 2 points, so the sample will give no standard error; draw more"
    return (
        f"standard error {100 * standard_error:.2f} % of the area, 95 % interval of the cropland area about "
        f"± {1.96 * standard_error * total_km2:,.1f} km², if the map is as accurate as expected"
    )


def _expected(expect: tuple[float, float], of_change: bool) -> tuple[float, ...]:
    """Shares of the strata that are expected to be mapped correctly; ``expect`` is of the two classes of a map."""
    from croplayer.changes.population import EXPECTED

    return EXPECTED if of_change else expect


def _allocation(
    areas: np.ndarray, expect: tuple[float, ...], standard_error: float, least: int, points: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Points of each stratum, and the accuracy expected in each."""
    import numpy as np

    from croplayer.evaluation.sample_size import allocate, allocation_for

    weights = areas / areas.sum()
    expected = np.tile(expect, len(areas) // len(expect))
    if points is None:
        return allocation_for(weights, expected, standard_error, least), expected
    return allocate(points, weights, min(least, points // max(int((areas > 0).sum()), 1))), expected
