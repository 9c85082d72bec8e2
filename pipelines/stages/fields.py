"""Stage fields: the single fields of the map."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import geopandas as gpd
import pandas as pd
from shapely.geometry.base import BaseGeometry

from croplayer.cube.decisions import Taken, decisions_of
from croplayer.cube.field_layers import FieldLayers
from croplayer.cube.field_table import LEFT_OUT, FieldChoice, FieldTables, holds_points, in_units
from croplayer.cube.lattice import pixels_of_blocks
from croplayer.fields.files import count_fields_of, read_fields, write_fields
from croplayer.fields.rules import load_rules
from croplayer.fields.whole import MOST_BLOCKS
from croplayer.files.tables import write_csv
from croplayer.tasks.fields import FieldsTask
from croplayer.vector.read import digest_vector
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Done, Earlier, Rule, maps
from pipelines.engine.steps import BlockStep, OutputStep
from pipelines.recipe import Fields, Recipe
from pipelines.stages.export import export_names
from stores.block_list import BlockList
from stores.columns import CORRECTIONS
from stores.durable import digest_bytes, digest_file, digest_text, write_durable
from stores.field_columns import AREA, CONFIDENCE
from stores.grid import CRS, Bounds
from stores.step_memory import FIELD_FILES, FIELDS

ENDINGS = {"flatgeobuf": ".fgb", "geopackage": ".gpkg", "shapefile": ".shp", "pmtiles": ".pmtiles"}
MOST_SCORED_PX = 2 * 10**8
"""Largest window in which fields are compared with reference parcels."""


def has_fields(recipe: Recipe) -> bool:
    """Whether a recipe maps and asks for fields."""
    return maps(recipe) and recipe.fields is not None


def has_drawn_fields(recipe: Recipe) -> bool:
    """Whether a recipe asks for fields and names reference parcels."""
    return has_fields(recipe) and recipe.evaluation.parcels is not None


def fields_part(recipe: Recipe) -> Fields:
    """What a recipe says of fields; raises ValueError when it says nothing."""
    if recipe.fields is None:
        raise ValueError(f"recipe '{recipe.name}' has no [fields]")
    return recipe.fields


def separate(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Number the pieces of fields of every block that has a map."""
    part = fields_part(inputs.recipe)
    decisions = output.folder.table("integration.parquet")
    rules = load_rules(part.rules)
    blocks = done["integrate"].blocks
    task = FieldsTask(
        cube=output.cube,
        decisions=str(decisions),
        decisions_digest=digest_file(decisions).sha256,
        rules=part.rules,
        rules_digest=rules.digest,
        tells_boundaries=inputs.models.tell_boundaries(inputs.recipe),
        mapped=BlockList.of(()),
    )
    found = done["integrate"].found.joined(done["segment"].found, done["mosaic"].found)
    yield BlockStep(
        name=FIELDS,
        made_of={"rules": rules.digest, "tells_boundaries": task.tells_boundaries},
        blocks=blocks,
        task_for=lambda group: task.narrowed(group, blocks),
        blocks_per_task=8,
        follows=found.with_neighbours(),
    )


def files(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write the fields of every admin unit of the coarsest level, or of the region where there are no units."""
    part, cube, folder = fields_part(inputs.recipe), output.cube, output.folder
    found = done[FIELDS].found
    table = pd.read_parquet(folder.blocks).set_index("block")
    same = {
        "choice": part.model_dump(mode="json"),
        "rules": load_rules(part.rules).digest,
        "elevation": inputs.elevation.settings() if inputs.elevation else None,
    }
    if not inputs.levels:
        made_of = {**same, "fields": done[FIELDS].digest, "blocks": digest_file(folder.blocks).sha256}
        yield OutputStep(f"{FIELD_FILES}all", made_of, _Files(inputs, output, done, found.blocks, None, "fields"))
        return
    units = inputs.level_units(min(inputs.levels))
    around = cube.grid.window_bounds(cube.blocks.window(cube.grid))
    names = dict(zip(units.adcode, export_names(units), strict=True))
    for unit in units.cx[around.west : around.east, around.south : around.north].itertuples():
        blocks = _grown(BlockList.of(cube.grid.blocks_in(unit.geometry)), MOST_BLOCKS - 1).both(found.blocks)
        if not blocks:
            continue
        # The pieces of a field that one of these blocks names lie at most so far away.
        seen = _grown(blocks, MOST_BLOCKS).both(found.blocks)
        made_of = {
            **same,
            "fields": digest_bytes(seen.codes.tobytes() + found.under(seen).tobytes()).sha256,
            "blocks": digest_text(table.loc[[block.name for block in blocks]].to_csv()),
            "outline": digest_bytes(unit.geometry.wkb).sha256,
            "boundaries": done["boundaries"].fingerprint,
        }
        if CORRECTIONS in table:
            # Where a person only confirms the map, a field of a block beside stays the same, but is corrected.
            made_of["corrections"] = digest_text(table.loc[[block.name for block in seen], CORRECTIONS].to_csv())
        make = _Files(inputs, output, done, blocks, unit.geometry, names[unit.adcode])
        yield OutputStep(f"{FIELD_FILES}{unit.adcode}", made_of, make)


def _grown(blocks: BlockList, times: int) -> BlockList:
    for _ in range(times):
        blocks = blocks.grown()
    return blocks


class _Files:
    """Writes the fields of one unit."""

    def __init__(
        self,
        inputs: Inputs,
        output: Output,
        done: Earlier,
        blocks: BlockList,
        outline: BaseGeometry | None,
        name: str,
    ) -> None:
        self._inputs, self._output, self._done = inputs, output, done
        self._blocks, self._outline, self._name = blocks, outline, name

    def __call__(self) -> Sequence[Path]:
        inputs, folder = self._inputs, self._output.folder
        tables = field_tables(inputs, self._output, self._done)
        finest = inputs.level_units(max(inputs.levels)) if inputs.levels else None
        left_out: list[pd.DataFrame] = []

        def parts() -> Iterator[gpd.GeoDataFrame]:
            for near in self._blocks.neighbourhoods(1):
                found = tables.of(near[0])
                rest = found.left_out
                if self._outline is not None:
                    rest = rest[holds_points(self._outline, rest.lon.to_numpy(), rest.lat.to_numpy())]
                left_out.append(rest)
                yield in_units(found.table, self._outline, finest)

        collection = f"{inputs.recipe.name}/{inputs.recipe.edition}"
        whole = folder.fields / f"{self._name}.parquet"
        paths = write_fields(parts(), whole, collection)
        for name in fields_part(inputs.recipe).formats:
            # PMTiles cannot be empty.
            if name != "geoparquet" and (name != "pmtiles" or count_fields_of(whole)):
                paths += write_fields(read_fields(whole), whole.with_suffix(ENDINGS[name]), collection)
        rest = pd.concat(left_out, ignore_index=True)
        reasons = {why: rest.area_ha[rest.why == why] for why in LEFT_OUT}
        counts = {why: {"fields": len(area), "ha": float(area.sum())} for why, area in reasons.items()}
        told = whole.with_suffix(".json")
        write_durable(told, (json.dumps({"left_out": counts}, indent=1) + "\n").encode())
        return [*paths, told]


def counted(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write ``tables/fields.csv``: how many fields each unit has, how large, how sure, and what was left out."""
    folder = output.folder
    made = [done[name] for name in done]

    def make() -> Sequence[Path]:
        from croplayer.evaluation.field_units import unit_figures, unit_table

        rows = []
        names = {} if not inputs.levels else _unit_names(inputs)
        for path in _written(made, output):
            fields = pd.read_parquet(path, columns=[AREA, CONFIDENCE])
            told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            filtered = sum(why["ha"] for why in told["left_out"].values())
            code, name = names.get(path.stem, ("", inputs.recipe.title))
            rows.append(unit_figures(code, name, fields, filtered))
        return [write_csv(folder.table("fields.csv"), unit_table(rows))]

    yield OutputStep("field_units", {"files": [step.digest for step in made]}, make)


def _written(made: Sequence[Done], output: Output) -> list[Path]:
    """The tables of fields that some steps wrote; the folder may also hold those of an earlier recipe."""
    entries = output.folder.memory.entries()
    names = sorted(name for step in made for name in entries[step.step.name].files if name.endswith(".parquet"))
    return [output.folder.root / name for name in names]


def _unit_names(inputs: Inputs) -> dict[str, tuple[str, str]]:
    """Code and name of each unit that has a file, by the name of the file without its ending."""
    units = inputs.level_units(min(inputs.levels))
    labels = units.name_en.where(units.name_en != "", units.name_zh)
    return dict(zip(export_names(units), zip(units.adcode, labels, strict=True), strict=True))


def scored(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write ``tables/field_figures.csv`` and ``tables/field_reliability.csv``: the fields against reference parcels."""
    path, folder = Path(str(inputs.recipe.evaluation.parcels)), output.folder

    def make() -> Sequence[Path]:
        from croplayer.evaluation.field_matches import match_fields_in
        from croplayer.evaluation.field_objects import count_fields, field_figures
        from croplayer.evaluation.reliability import reliability
        from croplayer.fields.pieces import pixel_widths_m
        from croplayer.vector.polygons import read_polygons
        from croplayer.vector.zones import zones_of_pixels

        grid = inputs.grid
        drawn = read_polygons(path, "parcels")
        window = grid.pixels_of(Bounds(*drawn.total_bounds)).grown(1).common(output.cube.blocks.window(grid))
        if window.is_empty:
            raise ValueError(f"parcels {path} lie outside the region; give parcels of the mapped land")
        if window.height * window.width > MOST_SCORED_PX:
            raise ValueError(
                f"parcels {path} spread over {window.height} x {window.width} px; at most {MOST_SCORED_PX:,} are compared "
                "at a time, so give parcels of a smaller region"
            )
        written = _written([done[name] for name in done if name != FIELDS], output)
        frames = (frame for file in written for frame in read_fields(file, grid.window_bounds(window)))
        fields = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=CRS)
        known = pixels_of_blocks(window, grid, done[FIELDS].blocks)
        found, truth = (zones_of_pixels(frame, window, grid) + 1 for frame in (fields, drawn))
        row_km2 = grid.pixel_area_m2(window.row, window.height) / 1e6
        width = float(pixel_widths_m(grid, window.row + window.height // 2, 1)[0])
        height = float(row_km2[window.height // 2] * 1e6 / width)
        figures = field_figures([count_fields(found, truth, known, row_km2, (height, width))])
        matches = match_fields_in(found, truth, known, row_km2).found
        judged = matches[~matches.left_out]
        sure = fields[CONFIDENCE].to_numpy(float)[judged.label.to_numpy() - 1]
        return [
            write_csv(folder.table("field_figures.csv"), figures),
            write_csv(folder.table("field_reliability.csv"), reliability(sure, (judged.iou > 0.5).to_numpy())),
        ]

    files = [done[name].digest for name in done if name != FIELDS]
    yield OutputStep("field_figures", {"files": files, "parcels": digest_vector(path)}, make)


def field_tables(inputs: Inputs, output: Output, done: Earlier) -> FieldTables:
    """The fields of a run's cube by block."""
    recipe = inputs.recipe
    part, cube = fields_part(recipe), output.cube
    decisions = output.folder.table("integration.parquet")
    taken = Taken(cube.sources, decisions_of(str(decisions), digest_file(decisions).sha256))
    tells_boundaries = inputs.models.tell_boundaries(recipe)
    layers = FieldLayers(cube, taken.only(done[FIELDS].blocks), tells_boundaries)
    # The area of a hole is that of its simplified ring, which is a little off that of the pixels of a field in it.
    holes_ha = min(part.fill_holes_ha, 0.8 * part.min_area_ha)
    choice = FieldChoice(part.min_area_ha, part.max_area_ha, part.min_confidence, part.simplify_m, holes_ha)
    rules = load_rules(part.rules).of(tells_boundaries)
    return FieldTables(layers, rules, choice, recipe.edition, pd.read_parquet(output.folder.blocks), inputs.elevation)


RULES = (
    Rule(
        FIELDS,
        "fields",
        after=("mosaic", "segment", "decide", "integrate"),
        applies=has_fields,
        code=("croplayer.tasks.fields",),
        steps=separate,
    ),
    Rule(
        "field_files",
        "fields",
        after=(FIELDS, "boundaries", "block_table"),
        applies=has_fields,
        code=(__name__,),
        steps=files,
    ),
    Rule("field_units", "fields", after=("field_files",), applies=has_fields, code=(__name__,), steps=counted),
    Rule(
        "field_figures",
        "fields",
        after=(FIELDS, "field_files"),
        applies=has_drawn_fields,
        code=(__name__,),
        steps=scored,
    ),
)
