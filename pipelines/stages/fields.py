"""Stage fields: the single fields of the map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import pandas as pd

from croplayer.fields.rules import load_rules
from croplayer.measures.features import TERRAIN
from croplayer.vector.boundaries import BORDER_CODE
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule
from pipelines.engine.steps import BlockStep
from pipelines.recipe import Fields
from pipelines.stages.aggregate import units_near, units_path
from pipelines.stages.field_files import RULES as FILE_RULES
from pipelines.stages.field_parts import fields_part, has_fields
from pipelines.stages.field_quality import RULES as QUALITY_RULES
from stores.block_digests import BlockDigests
from stores.block_list import BlockList
from stores.columns import CORRECTIONS, COVERAGE_TYPE, DECIDES, FAMILIARITY, map_column, unit_column
from stores.durable import digest_file
from stores.step_memory import FIELD_OUTLINES, FIELDS

if TYPE_CHECKING:
    from croplayer.cube.field_table import FieldChoice


def separate(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Number the pieces of fields of every block that has a map."""
    from croplayer.tasks.fields import FieldsTask

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


def outlines(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Write a table of the fields that each block names."""
    from croplayer.tasks.outlines import BLOCKS_SEEN, OutlinesTask

    part, folder = fields_part(inputs.recipe), output.folder
    decisions, blocks = folder.table("integration.parquet"), done[FIELDS].blocks
    rules = load_rules(part.rules)
    table = pd.read_parquet(folder.blocks)
    kinds = (COVERAGE_TYPE, "correctness", FAMILIARITY)
    names = [map_column(kind, source) for kind in kinds for source in inputs.recipe.source_names]
    own, near = (
        [name for name in some if name in table]
        for some in (names, [*DECIDES, CORRECTIONS, *(each.name for each in TERRAIN)])
    )
    path = units_path(folder, min(inputs.levels)) if inputs.levels else None
    shared = _shared_blocks(inputs, table).both(blocks)
    task = OutlinesTask(
        cube=output.cube,
        decisions=str(decisions),
        decisions_digest=digest_file(decisions).sha256,
        rules=part.rules,
        rules_digest=rules.digest,
        tells_boundaries=inputs.models.tell_boundaries(inputs.recipe),
        choice=field_choice(part),
        elevation=inputs.elevation,
        known=table[["block", *own]],
        mapped=blocks,
        shared=shared,
        units=str(path) if path else None,
        units_digest=digest_file(path).sha256 if path else None,
    )
    rows = table.set_index("block").loc[[block.name for block in blocks]]
    maps = done["integrate"].found, done["segment"].found
    around = done[FIELDS].found.joined(*maps, _digests(blocks, rows[near])).with_neighbours(BLOCKS_SEEN)
    yield BlockStep(
        name=FIELD_OUTLINES,
        made_of={
            "edition": inputs.recipe.edition,
            "choice": asdict(task.choice),
            "rules": rules.digest,
            "tells_boundaries": task.tells_boundaries,
            "elevation": inputs.elevation.settings() if inputs.elevation else None,
        },
        blocks=blocks,
        task_for=task.narrowed,
        blocks_per_task=64,
        follows=around.joined(_digests(blocks, rows[own]), _units_around(inputs, shared, blocks)),
    )


def _shared_blocks(inputs: Inputs, table: pd.DataFrame) -> BlockList:
    """Blocks that units of the coarsest level share, or that lie in one of them in part."""
    if not inputs.levels:
        return BlockList.of(())
    shared = table[table[unit_column(min(inputs.levels))] == BORDER_CODE]
    return BlockList.of(zip(shared.row, shared.col, strict=True))


def _units_around(inputs: Inputs, shared: BlockList, blocks: BlockList) -> BlockDigests:
    """Digest of the units that meet each block that several share; the sums of other blocks need no outline."""
    near = units_near(inputs.level_units(min(inputs.levels)), shared, inputs.grid) if shared else None
    return BlockDigests.of_texts(blocks, (near.of(block) if near and block in shared else "" for block in blocks))


def field_choice(part: Fields) -> FieldChoice:
    """Which fields a recipe keeps, and how their outlines are drawn."""
    from croplayer.cube.field_table import FieldChoice

    # Pixels of a block and of a field that reaches over several differ in area by less than this up to 70 degrees.
    holes_ha = min(part.fill_holes_ha, 0.98 * part.min_area_ha)
    return FieldChoice(part.min_area_ha, part.max_area_ha, part.min_confidence, part.simplify_m, holes_ha)


def _digests(blocks: BlockList, rows: pd.DataFrame) -> BlockDigests:
    texts = (repr(row) for row in rows.itertuples(index=False, name=None))
    return BlockDigests.of_texts(blocks, texts)


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
        FIELD_OUTLINES,
        "fields",
        after=(FIELDS, "integrate", "segment", "boundaries", "block_table"),
        applies=has_fields,
        code=("croplayer.tasks.outlines",),
        steps=outlines,
    ),
    *FILE_RULES,
    *QUALITY_RULES,
)
