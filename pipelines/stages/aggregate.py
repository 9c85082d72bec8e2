"""Stage aggregate: the block table, and areas by admin unit against the statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from croplayer.evaluation.provinces import BORDER_CODE, OUTSIDE_CODE, interior_sums, unit_table
from croplayer.evaluation.statistics import land_of
from croplayer.files.tables import with_geometry, write_csv, write_parquet
from croplayer.products.product import Product
from croplayer.tasks.aggregate import KNOWN, LAND, AggregateTask
from croplayer.vector.zones import BORDER, OUTSIDE, zones_of_blocks
from pipelines.engine.fingerprint import fingerprint
from pipelines.engine.run import Run
from pipelines.engine.steps import BlockStep, OutputStep, Step
from pipelines.stages.assess import assess_step
from pipelines.stages.compare import block_km2, compare_step, own_maps
from pipelines.stages.describe import describe_step
from pipelines.stages.integrate import integrate_step, maps_digest
from stores.block_list import BlockList
from stores.durable import digest_bytes, digest_file
from stores.results import Results

DECIDED = ("correctness", "integration")


def boundaries_step(run: Run) -> OutputStep:
    """The run's admin units, all together for queries by name and level by level for the sums."""

    def make() -> Sequence[Path]:
        levels = [write_parquet(units_path(run, a.level), run.level_units(a.level)) for a in run.recipe.admin]
        return [write_parquet(run.folder.boundaries, run.units), *levels]

    files = [(a.model_dump(mode="json"), digest_file(Path(a.path)).sha256) for a in run.recipe.admin]
    return OutputStep(name="boundaries", fingerprint=fingerprint("boundaries", files=files), make=make)


def units_path(run: Run, level: int) -> Path:
    return run.folder.table(f"units_{level}.parquet")


def block_table_step(run: Run) -> OutputStep:
    """``blocks.parquet``: every number of every block, its status and its unit of each level."""
    parts = _block_results(run)

    def make() -> Sequence[Path]:
        table = pd.DataFrame([(b.name, *b) for b in run.blocks], columns=["block", "row", "col"])
        for name, results in parts.items():
            table[f"status_{name}"] = table.block.map(results.status_names()).fillna("missing")
            values = results.table().drop(columns=["row", "col"])
            values = values.drop(columns=[c for c in values.columns if c in table.columns and c != "block"])
            table = table.merge(values, on="block", how="left")
        if run.cube:
            for name in DECIDED:
                table = table.merge(pd.read_parquet(run.folder.table(f"{name}.parquet")), on="block", how="left")
        table["block_km2"] = block_km2(run, table.row)
        for admin in run.recipe.admin:
            units = run.level_units(admin.level)
            codes = np.array([*units.adcode, BORDER_CODE, OUTSIDE_CODE], dtype=object)
            zones = zones_of_blocks(units, run.blocks)
            place = np.where(zones == BORDER, len(units), np.where(zones == OUTSIDE, len(units) + 1, zones))
            table[f"adcode_{admin.level}"] = codes[place]
        return [write_parquet(run.folder.blocks, with_geometry(table))]

    return OutputStep(
        name="block_table",
        fingerprint=fingerprint(
            "block_table",
            parts={name: results.digest for name, results in parts.items()},
            tables=[digest_file(run.folder.table(f"{name}.parquet")).sha256 for name in DECIDED if run.cube],
            boundaries=boundaries_step(run).fingerprint if run.recipe.admin else None,
            blocks=digest_bytes(run.blocks.codes.data).sha256,
        ),
        make=make,
    )


def _block_results(run: Run) -> dict[str, Results]:
    found = [assess_step, describe_step, integrate_step] if run.cube else []
    if run.products or run.reference:
        found.append(compare_step)
    return {step.name: run.results(step) for step in (make(run) for make in found)}


def aggregate_step(run: Run, level: int) -> BlockStep:
    """Areas to the pixel in the blocks that units of a level share."""
    blocks = pd.read_parquet(run.folder.blocks, columns=["block", "row", "col", f"adcode_{level}"])
    border = blocks[blocks[f"adcode_{level}"] == BORDER_CODE]
    finished = run.results(integrate_step(run)).blocks if run.cube else run.blocks
    path = units_path(run, level)
    digest = digest_file(path).sha256
    task = AggregateTask(run.grid, run.cube, other_maps(run), str(path), digest)
    return BlockStep(
        name=f"aggregate_{level}",
        fingerprint=fingerprint(
            "aggregate",
            units=digest,
            products=run.product_fingerprints,
            grid=run.grid.block_px,
            maps=maps_digest(run) if run.cube else None,
        ),
        blocks=BlockList.of(zip(border.row, border.col, strict=True)).both(finished),
        task_for=lambda blocks: task,
        blocks_per_task=64,
    )


def other_maps(run: Run) -> tuple[Product, ...]:
    """Products, and the reference where there is one."""
    return (*run.products, run.reference) if run.reference else run.products


def unit_table_step(run: Run, level: int) -> OutputStep:
    """``tables/units_LEVEL.csv``: areas of every map by unit, and against the statistics on level 1."""
    step = aggregate_step(run, level)
    statistics = run.recipe.statistics if level == 1 else None

    def make() -> Sequence[Path]:
        units = run.level_units(level)
        maps = [*own_maps(run), *(p.name for p in other_maps(run))]
        areas = _interior_areas(run, level, maps).add(_border_areas(run.results(step)), fill_value=0.0)
        plain = land_of(units)
        path = run.folder.table(f"units_{level}.csv")
        if statistics is None:
            return [write_csv(path, unit_table(plain, areas, maps, None, 0.0))]
        matched, rest = run.statistics
        table = unit_table(plain, areas, maps, matched, statistics.consistent_within)
        return [write_csv(path, table), write_csv(run.folder.table("statistics_left_over.csv"), rest)]

    return OutputStep(
        name=f"unit_table_{level}",
        fingerprint=fingerprint(
            "unit_table",
            border=run.results(step).digest,
            units=digest_file(units_path(run, level)).sha256,
            blocks=digest_file(run.folder.blocks).sha256,
            statistics=(statistics.model_dump(mode="json"), digest_file(Path(statistics.path)).sha256)
            if statistics
            else None,
        ),
        make=make,
    )


def _interior_areas(run: Run, level: int, maps: Sequence[str]) -> pd.DataFrame:
    """Sums over the blocks that lie whole in a unit, by adcode."""
    areas = {"block_km2": LAND} | {f"area_km2_{name}": name for name in maps}
    shares = {f"known_{name}": name + KNOWN for name in maps}
    return interior_sums(run.folder.blocks, f"adcode_{level}", areas, shares)


def _border_areas(results: Results) -> pd.DataFrame:
    """Sums over the pixels of border blocks, by adcode."""
    sums: dict[str, dict[str, float]] = {}
    for values in results.values():
        for key, area in values.items():
            code, name = _parted(key)
            unit = sums.setdefault(code, {})
            unit[name] = unit.get(name, 0.0) + float(area or 0.0)
    return pd.DataFrame.from_dict(sums, orient="index")


def _parted(key: str) -> tuple[str, str]:
    """Code of the unit, which may hold colons itself, and name of what was summed."""
    rest, known = (key.removesuffix(KNOWN), KNOWN) if key.endswith(KNOWN) else (key, "")
    code, _, name = rest.rpartition(":")
    return code, name + known


def steps(run: Run) -> Iterator[Step]:
    if run.recipe.admin:
        yield boundaries_step(run)
    yield block_table_step(run)
    for admin in run.recipe.admin:
        yield aggregate_step(run, admin.level)
        yield unit_table_step(run, admin.level)
