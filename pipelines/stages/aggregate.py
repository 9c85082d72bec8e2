"""Stage aggregate: the block table, and areas by admin unit compared with the statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from croplayer.evaluation.provinces import interior_sums, unit_table
from croplayer.evaluation.statistics import land_of
from croplayer.files.tables import block_areas_km2, with_geometry, write_csv, write_parquet
from croplayer.sources.dates import imagery_times
from croplayer.tasks.aggregate import AggregateTask
from croplayer.vector.boundaries import BORDER_CODE, OUTSIDE_CODE
from croplayer.vector.read import digest_vector
from croplayer.vector.zones import BORDER, OUTSIDE, zones_of_blocks
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule
from pipelines.engine.steps import BlockStep, OutputStep
from pipelines.recipe import Recipe
from pipelines.recipe_parts import LICENCE_KEYS
from pipelines.stages.maps import maps_found
from stores.block_digests import BlockDigests
from stores.block_list import BlockList
from stores.columns import (
    AREA_KM2,
    BLOCK_KM2,
    KNOWN,
    LAND,
    known_land,
    map_column,
    parted_unit_sum,
    status_column,
    unit_column,
)
from stores.durable import digest_bytes, digest_file
from stores.grid import BlockGrid
from stores.legends import own_maps
from stores.results import Results
from stores.run_folder import RunFolder

UNITS = "croplayer.vector.boundaries"
"""The module that reads the admin units (`Inputs.units`)."""
DECIDED = ("correctness", "integration")
"""Tables of decisions whose columns the block table holds."""


def has_region(recipe: Recipe) -> bool:
    """Whether a recipe has blocks."""
    return recipe.region is not None


def has_units(recipe: Recipe) -> bool:
    """Whether a recipe has blocks and admin units."""
    return has_region(recipe) and bool(recipe.admin)


def boundaries(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write the run's admin units, all together for queries by name and level by level for the sums."""

    def make() -> Sequence[Path]:
        levels = [write_parquet(units_path(output.folder, level), inputs.level_units(level)) for level in inputs.levels]
        return [write_parquet(output.folder.boundaries, inputs.units), *levels]

    files = [
        (a.model_dump(mode="json", exclude={"path", *LICENCE_KEYS}), digest_vector(Path(a.path)))
        for a in inputs.recipe.admin
    ]
    yield OutputStep(name="boundaries", made_of={"files": files}, make=make)


def units_path(folder: RunFolder, level: int) -> Path:
    """Where the admin units of a level lie in a run's folder."""
    return folder.table(f"units_{level}.parquet")


def block_table(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write ``blocks.parquet``: every number of every block, its status and its unit of each level."""
    parts = [name for name in ("assess", "describe", "integrate", "compare") if name in done]
    has_server = "mosaic" in done and any(source.is_remote for source in inputs.sources)
    told = done["mosaic"].table().set_index("block") if has_server else None
    times = imagery_times(inputs.sources, inputs.stated_times, inputs.blocks, inputs.grid, told)

    def make() -> Sequence[Path]:
        table = pd.DataFrame([(b.name, *b) for b in inputs.blocks], columns=["block", "row", "col"])
        for name in parts:
            results = done[name].results
            table[status_column(name)] = table.block.map(results.status_names()).fillna("missing")
            values = results.table().drop(columns=["row", "col"])
            values = values.drop(columns=[c for c in values.columns if c in table.columns and c != "block"])
            table = table.merge(values, on="block", how="left")
        if "segment" in done:
            table = table.merge(_familiarity(done["segment"].results), on="block", how="left")
        if inputs.sources:
            for name in DECIDED:
                table = table.merge(pd.read_parquet(output.folder.table(f"{name}.parquet")), on="block", how="left")
        table = table.join(times)
        table[BLOCK_KM2] = block_areas_km2(inputs.grid, table.row)
        for level in inputs.levels:
            table[unit_column(level)] = _unit_of_blocks(inputs, level)
        return [write_parquet(output.folder.blocks, with_geometry(table))]

    yield OutputStep(
        name="block_table",
        made_of={
            "parts": {name: done[name].digest for name in (*parts, *(["segment"] if "segment" in done else []))},
            "decisions": [digest_file(output.folder.table(f"{n}.parquet")).sha256 for n in DECIDED if inputs.sources],
            "boundaries": done["boundaries"].fingerprint if inputs.recipe.admin else None,
            "blocks": digest_bytes(inputs.blocks.codes.data).sha256,
        }
        | {column: digest_bytes(moments.astype("int64").to_numpy().data).sha256 for column, moments in times.items()},
        make=make,
    )


def _familiarity(results: Results) -> pd.DataFrame:
    """How familiar the imagery of each source is to the network in each block, NaN where nothing tells."""
    values = results.table().drop(columns=["row", "col"])
    return values.astype({column: float for column in values.columns if column != "block"})


def _unit_of_blocks(inputs: Inputs, level: int) -> np.ndarray:
    """Code of the unit that each block lies in, BORDER_CODE where several share it, OUTSIDE_CODE where none does."""
    units = inputs.level_units(level)
    codes = np.array([*units.adcode, BORDER_CODE, OUTSIDE_CODE], dtype=object)
    zones = zones_of_blocks(units, inputs.blocks)
    place = np.where(zones == BORDER, len(units), np.where(zones == OUTSIDE, len(units) + 1, zones))
    return np.asarray(codes[place])


def aggregate(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Sum areas to the pixel in the blocks that units of a level share; one step per level."""
    for level in inputs.levels:
        column = unit_column(level)
        blocks = pd.read_parquet(output.folder.blocks, columns=["block", "row", "col", column])
        border = blocks[blocks[column] == BORDER_CODE]
        finished = done["integrate"].blocks if inputs.sources else inputs.blocks
        shared = BlockList.of(zip(border.row, border.col, strict=True)).both(finished)
        path = units_path(output.folder, level)
        task = AggregateTask(inputs.grid, output.cube_if_any, inputs.other_maps, str(path), digest_file(path).sha256)
        near = units_near(inputs.level_units(level), shared, inputs.grid)
        yield BlockStep(
            name=f"aggregate_{level}",
            made_of={
                "products": inputs.product_settings,
                "block_px": inputs.grid.block_px,
                "maps": own_maps(inputs.recipe.source_names) if inputs.sources else None,
            },
            blocks=shared,
            task_for=lambda blocks, task=task: task,  # type: ignore[misc]
            blocks_per_task=64,
            follows=maps_found(done).only(shared).joined(near) if inputs.sources else near,
            reading=task.reading,
        )


def units_near(units: gpd.GeoDataFrame, blocks: BlockList, grid: BlockGrid) -> BlockDigests:
    """Digest of the codes and outlines of the units that meet each block."""
    each = [f"{unit.adcode} {digest_bytes(unit.geometry.wkb).sha256}" for unit in units.itertuples()]
    boxes = np.array([shapely.box(*grid.bounds(block)) for block in blocks], dtype=object)
    found: list[list[int]] = [[] for _ in boxes]
    for block, unit in units.sindex.query(np.array(boxes, dtype=object)).T.tolist():
        found[block].append(unit)
    return BlockDigests.of_texts(blocks, (repr(sorted(each[unit] for unit in near)) for near in found))


def unit_tables(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write ``tables/units_LEVEL.csv``: areas of every map by unit, compared with the statistics on level 1."""
    for level in inputs.levels:
        yield _unit_table(inputs, output, done, level)


def _unit_table(inputs: Inputs, output: Output, done: Earlier, level: int) -> OutputStep:
    border = done[f"aggregate_{level}"]
    statistics = inputs.recipe.statistics if level == 1 else None

    def make() -> Sequence[Path]:
        maps = [*own_maps(inputs.recipe.source_names), *(p.name for p in inputs.other_maps)]
        areas = _interior_areas(output.folder, level, maps).add(_border_areas(border.results), fill_value=0.0)
        plain = land_of(inputs.level_units(level))
        path = output.folder.table(f"units_{level}.csv")
        if statistics is None:
            return [write_csv(path, unit_table(plain, areas, maps, None, 0.0))]
        matched, rest = inputs.statistics
        table = unit_table(plain, areas, maps, matched, statistics.consistent_within, statistics.year)
        return [write_csv(path, table), write_csv(output.folder.table("statistics_left_over.csv"), rest)]

    return OutputStep(
        name=f"unit_table_{level}",
        made_of={
            "border": border.digest,
            "units": digest_file(units_path(output.folder, level)).sha256,
            "blocks": done["block_table"].digest,
            "statistics": (
                statistics.model_dump(mode="json", exclude={"path", *LICENCE_KEYS}),
                digest_file(Path(statistics.path)).sha256,
            )
            if statistics
            else None,
        },
        make=make,
    )


def _interior_areas(folder: RunFolder, level: int, maps: Sequence[str]) -> pd.DataFrame:
    """Sums over the blocks that lie entirely in a unit, by adcode."""
    areas = {BLOCK_KM2: LAND} | {map_column(AREA_KM2, name): name for name in maps}
    shares = {map_column(KNOWN, name): known_land(name) for name in maps}
    return interior_sums(folder.blocks, unit_column(level), areas, shares)


def _border_areas(results: Results) -> pd.DataFrame:
    """Sums over the pixels of border blocks, by adcode."""
    sums: dict[str, dict[str, float]] = {}
    for values in results.values():
        for key, area in values.items():
            code, name = parted_unit_sum(key)
            unit = sums.setdefault(code, {})
            unit[name] = unit.get(name, 0.0) + float(area or 0.0)
    return pd.DataFrame.from_dict(sums, orient="index")


RULES = (
    Rule("boundaries", "aggregate", after=(), applies=has_units, code=(__name__, UNITS), steps=boundaries),
    Rule(
        "block_table",
        "aggregate",
        after=("mosaic", "assess", "segment", "describe", "judge", "decide", "integrate", "compare", "boundaries"),
        applies=has_region,
        code=(__name__, UNITS),
        steps=block_table,
    ),
    Rule(
        "aggregate",
        "aggregate",
        after=("segment", "integrate", "boundaries", "block_table"),
        applies=has_units,
        code=("croplayer.tasks.aggregate",),
        steps=aggregate,
    ),
    Rule(
        "unit_table",
        "aggregate",
        after=("boundaries", "block_table", "aggregate"),
        applies=has_units,
        code=(__name__, UNITS),
        steps=unit_tables,
    ),
)
