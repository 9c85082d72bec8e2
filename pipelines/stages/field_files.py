"""Files and tables of the fields of a run, from the tables that its workers wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from croplayer.fields.block_tables import OUTLINES, FoundFields, decode_fields
from croplayer.fields.fiboa import DATETIME
from croplayer.fields.files import count_fields_of, read_fields, write_fields
from croplayer.fields.unit_fields import UnitFields
from croplayer.fields.whole import MOST_BLOCKS
from croplayer.files.tables import write_csv, write_parquet
from croplayer.sources.dates import imagery_dates, taken_together
from croplayer.vector.boundaries import BORDER_CODE, OUTSIDE_CODE
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Done, Earlier, Rule
from pipelines.engine.steps import OutputStep
from pipelines.stages.export import export_names
from pipelines.stages.field_parts import fields_part, has_earlier_fields, has_fields
from stores.block_list import BlockList
from stores.columns import unit_column
from stores.durable import digest_bytes, digest_file, digest_text, write_durable
from stores.field_columns import AREA, CONFIDENCE, ID, IN_FIELDS, IN_NONE
from stores.run_folder import RunFolder, edition_at
from stores.step_memory import FIELD_FILES, FIELD_OUTLINES

OUTSIDE = "outside_all_units"
"""Name of the files of fields that lie in no unit."""
ENDINGS = {"flatgeobuf": ".fgb", "geopackage": ".gpkg", "shapefile": ".shp", "pmtiles": ".pmtiles"}


def matches(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write ``tables/field_matches.parquet``: what became of the fields of the earlier run, and the ids that this one takes."""
    # The libraries of fields take longer to import than all else that a run without fields needs.
    from croplayer.cube.field_editions import NamedFields
    from croplayer.cube.field_query import field_files
    from croplayer.fields.field_sets import FieldFiles
    from croplayer.fields.matching import carried_ids, match_sets

    folder, before = output.folder, edition_at(str(fields_part(inputs.recipe).before))
    if before.root.resolve() == folder.root.resolve():
        raise ValueError(f"[fields] before is the run's own folder {folder.root}; give that of an earlier run")
    paths = field_files(before)

    def make() -> Sequence[Path]:
        named = NamedFields(output.cube, done[FIELD_OUTLINES].blocks)
        table = match_sets(FieldFiles(paths), named)
        own = named.known()[ID]
        taken = pd.Series(carried_ids(table, own).to_numpy(), index=own.to_numpy())
        table["id"] = taken.reindex(table.after_id).to_numpy()
        return [write_parquet(folder.table("field_matches.parquet"), table)]

    made_of = {"before": [digest_file(path).sha256 for path in paths], "fields": done[FIELD_OUTLINES].digest}
    yield OutputStep("field_matches", made_of, make)


def files(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write the fields of every admin unit of the coarsest level and those outside of all, or of the region without units."""
    grid, found = output.cube.grid, done[FIELD_OUTLINES].found
    same = {
        "formats": fields_part(inputs.recipe).formats,
        "ids": done["field_matches"].digest if "field_matches" in done else None,
    }
    if not inputs.levels:
        made_of = {**same, "fields": done[FIELD_OUTLINES].digest}
        make = _Files(inputs, output, found.blocks, UnitFields(None, None), "fields")
        yield OutputStep(f"{FIELD_FILES}all", {**made_of, **make.made_of}, make)
        return
    units = inputs.level_units(min(inputs.levels))
    around = grid.window_bounds(output.cube.blocks.window(grid))
    finest = inputs.level_units(max(inputs.levels))
    names = dict(zip(units.adcode, export_names(units), strict=True))
    for unit in units.cx[around.west : around.east, around.south : around.north].itertuples():
        # A field's inner point may lie so far from the block that names it.
        blocks = BlockList.of(grid.blocks_in(unit.geometry)).grown(MOST_BLOCKS - 1).both(found.blocks)
        if not blocks:
            continue
        made_of = {
            **same,
            "fields": digest_bytes(blocks.codes.tobytes() + found.under(blocks).tobytes()).sha256,
            "outline": digest_bytes(unit.geometry.wkb).sha256,
            "boundaries": done["boundaries"].fingerprint,
        }
        make = _Files(inputs, output, blocks, UnitFields(unit.geometry, finest), names[unit.adcode])
        yield OutputStep(f"{FIELD_FILES}{unit.adcode}", {**made_of, **make.made_of}, make)
    blocks = _blocks_not_inside(inputs, output).grown(MOST_BLOCKS - 1).both(found.blocks)
    if not blocks:
        return
    made_of = {
        **same,
        "fields": digest_bytes(blocks.codes.tobytes() + found.under(blocks).tobytes()).sha256,
        "boundaries": done["boundaries"].fingerprint,
    }
    make = _Files(inputs, output, blocks, UnitFields(None, finest, units), OUTSIDE)
    # No code begins with a space, so no unit has a step of this name.
    yield OutputStep(f"{FIELD_FILES} {OUTSIDE}", {**made_of, **make.made_of}, make)


def _blocks_not_inside(inputs: Inputs, output: Output) -> BlockList:
    """Blocks that lie in no unit of the coarsest level, or not wholly in one."""
    code = unit_column(min(inputs.levels))
    table = pd.read_parquet(output.folder.blocks, columns=["row", "col", code])
    table = table[table[code].isin([BORDER_CODE, OUTSIDE_CODE])]
    return BlockList.of(zip(table.row, table.col, strict=True))


class _Files:
    """Writes the fields of one unit."""

    def __init__(self, inputs: Inputs, output: Output, blocks: BlockList, unit: UnitFields, name: str) -> None:
        self._inputs, self._output = inputs, output
        self._blocks, self._unit, self._name = blocks, unit, name
        self._dates = imagery_dates(inputs.sources, blocks, output.cube.grid)

    @property
    def made_of(self) -> dict[str, str]:
        """What the files depend on besides the tables of the blocks."""
        return {"dates": digest_text(repr([*self._dates.items()]))} if self._dates else {}

    def __call__(self) -> Sequence[Path]:
        inputs, folder, unit = self._inputs, self._output.folder, self._unit
        collection = f"{inputs.recipe.name}/{inputs.recipe.edition}"
        whole = folder.fields / f"{self._name}.parquet"
        paths = write_fields(unit.parts(self._found()), whole, collection, is_dated=bool(self._dates))
        others = [name for name in fields_part(inputs.recipe).formats if name != "geoparquet"]
        said: dict[str, object] = {"left_out": unit.left_out()}
        if others and not count_fields_of(whole):
            # PMTiles cannot be empty, and of the others nobody needs an empty one.
            said["formats_left_out"], others = others, []
        for name in others:
            paths += write_fields(read_fields(whole), whole.with_suffix(ENDINGS[name]), collection)
        told = whole.with_suffix(".json")
        write_durable(told, (json.dumps(said, indent=1) + "\n").encode())
        return [*paths, told]

    def _found(self) -> Iterator[FoundFields]:
        """The fields of block after block, along a curve that keeps neighbours together, with the ids of an earlier run."""
        cube, ids = self._output.cube, self._taken_ids()
        for near in self._blocks.neighbourhoods(1):
            found = decode_fields(cube.read_table(OUTLINES, near[0]))
            if ids:
                found.table[ID] = [ids.get(own, own) for own in found.table[ID]]
            if self._dates:
                times = [taken_together(self._dates[near[0]], names) for names in found.table.source.fillna("")]
                found.table[DATETIME] = pd.Series(times, dtype="datetime64[ms, UTC]")
            yield found

    def _taken_ids(self) -> dict[str, str]:
        """The ids that fields take, by their own, of those whose id changes."""
        if not has_earlier_fields(self._inputs.recipe):
            return {}
        table = pd.read_parquet(self._output.folder.table("field_matches.parquet"), columns=["after_id", ID])
        changed = table[table[ID].notna() & (table[ID] != table.after_id)]
        return dict(zip(changed.after_id, changed[ID], strict=True))


def counted(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write ``tables/fields.csv``: how many fields each unit has, how large, how sure, and how much cropland is in none."""
    folder = output.folder
    made = [done[name] for name in done if name.startswith(FIELD_FILES)]

    def make() -> Sequence[Path]:
        from croplayer.evaluation.field_units import cropland_of_units, unit_figures, unit_table

        rows = []
        names = _unit_names(inputs) if inputs.levels else {"fields": (OUTSIDE_CODE, inputs.recipe.title)}
        found = done[FIELD_OUTLINES].results
        summed = zip((block.name for block in found.blocks), found.values(), strict=True)
        areas = cropland_of_units(summed, _units_of_blocks(inputs, folder))
        for path in written_files(made, output):
            fields = pd.read_parquet(path, columns=[AREA, CONFIDENCE])
            code, name = names[path.stem]
            within = areas.loc[code] if code in areas.index else pd.Series(0.0, areas.columns)
            if code == OUTSIDE_CODE and inputs.levels and not len(fields) and not within.any():
                continue
            rows.append(unit_figures(code, name, fields, within[IN_FIELDS], within[IN_NONE]))
        return [write_csv(folder.table("fields.csv"), unit_table(rows))]

    made_of = {"files": [step.digest for step in made], "areas": done[FIELD_OUTLINES].digest}
    if inputs.levels:
        made_of["blocks"] = done["block_table"].digest
    yield OutputStep("field_units", made_of, make)


def _units_of_blocks(inputs: Inputs, folder: RunFolder) -> dict[str, str]:
    """Code of the unit of the coarsest level that each block lies in, by the block's name; empty without units."""
    if not inputs.levels:
        return {}
    code = unit_column(min(inputs.levels))
    table = pd.read_parquet(folder.blocks, columns=["block", code])
    return dict(zip(table.block, table[code], strict=True))


def written_files(made: Sequence[Done], output: Output) -> list[Path]:
    """The tables of fields that some steps wrote; the folder may also hold those of an earlier recipe."""
    entries = output.folder.memory.entries()
    names = sorted(name for step in made for name in entries[step.step.name].files if name.endswith(".parquet"))
    return [output.folder.root / name for name in names]


def _unit_names(inputs: Inputs) -> dict[str, tuple[str, str]]:
    """Code and name of each unit that has a file, by the name of the file without its ending."""
    units = inputs.level_units(min(inputs.levels))
    labels = units.name_en.where(units.name_en != "", units.name_zh)
    names = dict(zip(export_names(units), zip(units.adcode, labels, strict=True), strict=True))
    return {**names, OUTSIDE: (OUTSIDE_CODE, OUTSIDE.replace("_", " "))}


RULES = (
    Rule(
        "field_matches",
        "fields",
        after=(FIELD_OUTLINES,),
        applies=has_earlier_fields,
        code=(__name__,),
        steps=matches,
    ),
    Rule(
        "field_files",
        "fields",
        after=(FIELD_OUTLINES, "boundaries", "block_table", "field_matches"),
        applies=has_fields,
        code=(__name__,),
        steps=files,
    ),
    Rule(
        "field_units",
        "fields",
        after=("field_files", FIELD_OUTLINES, "block_table"),
        applies=has_fields,
        code=(__name__,),
        steps=counted,
    ),
)
