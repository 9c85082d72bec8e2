"""Stage compare: the maps against other products and a reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from croplayer.evaluation.maps import agreement_table, product_table
from croplayer.evaluation.products import definition_table, deviation_table, slope_table
from croplayer.files.tables import write_csv, write_parquet
from croplayer.products.legend import read_legend
from croplayer.tasks.compare import CompareTask
from pipelines.engine.fingerprint import fingerprint
from pipelines.engine.run import Run
from pipelines.engine.steps import BlockStep, OutputStep, Step
from pipelines.stages.assess import assess_step
from pipelines.stages.integrate import integrate_step, maps_digest
from stores.durable import digest_file
from stores.legends import INTEGRATED, MERGE_BOTH


def compare_step(run: Run) -> BlockStep:
    task = CompareTask(run.grid, run.cube, run.products, run.reference)
    return BlockStep(
        name="compare",
        fingerprint=fingerprint(
            "compare",
            products=run.product_fingerprints,
            reference=run.reference.name if run.reference else None,
            grid=run.grid.block_px,
            maps=maps_digest(run) if run.cube else None,
        ),
        blocks=run.results(integrate_step(run)).blocks if run.cube else run.blocks,
        task_for=lambda blocks: task,
        blocks_per_task=64 if run.cube else 1024,
    )


def own_maps(run: Run) -> list[str]:
    """Names of the maps of a run: each source, both merged, the integrated one."""
    if not run.sources:
        return []
    both = [MERGE_BOTH] if len(run.sources) == 2 else []
    return [*run.recipe.source_names, *both, INTEGRATED]


def block_km2(run: Run, rows: pd.Series) -> pd.Series:
    """Area of the blocks of these rows of the lattice."""
    return rows.map({row: run.grid.block_km2(int(row)) for row in rows.unique()})


def tables_step(run: Run) -> OutputStep:
    step = compare_step(run)

    def make() -> Sequence[Path]:
        blocks = run.results(step).table()
        paths = [write_parquet(run.folder.table("compared_blocks.parquet"), blocks)]
        if run.cube:
            integrated = run.results(integrate_step(run)).table().drop(columns=["row", "col"])
            blocks = blocks.merge(integrated, on="block")
            blocks = blocks.assign(block_km2=block_km2(run, blocks.row), block_pixels=run.grid.block_px**2)
        names = [p.name for p in run.products]
        others = [*names, *([run.reference.name] if run.reference else [])]
        maps = [*own_maps(run), *names]
        agreements = [agreement_table(blocks, maps, other) for other in others]
        if any(len(a) for a in agreements):
            paths.append(write_csv(run.folder.table("agreement.csv"), pd.concat(agreements, ignore_index=True)))
        if run.cube and names:
            paths.append(write_csv(run.folder.table("products.csv"), product_table(blocks, names, INTEGRATED)))
            terrain = run.results(assess_step(run)).table()
            paths += _deviations(
                run, blocks.merge(terrain.filter(["block", "slope_deg"]), on="block", how="left"), names
            )
        if names:
            legends = {p.name: read_legend(p.legend) for p in run.recipe.products if p.legend}
            paths.append(write_csv(run.folder.table("definitions.csv"), definition_table(run.products, legends)))
        return paths

    return OutputStep(
        name="compare_tables",
        fingerprint=fingerprint(
            "compare_tables",
            compare=run.results(step).digest,
            maps=own_maps(run),
            legends=[digest_file(read_legend(p.legend).path).sha256 for p in run.recipe.products if p.legend],
            terrain=run.results(assess_step(run)).digest if run.cube else None,
        ),
        make=make,
    )


def _deviations(run: Run, blocks: pd.DataFrame, names: Sequence[str]) -> list[Path]:
    paths = [write_csv(run.folder.table("product_deviations.csv"), deviation_table(blocks, names, INTEGRATED))]
    if "slope_deg" in blocks:
        paths.append(write_csv(run.folder.table("product_slopes.csv"), slope_table(blocks, names, INTEGRATED)))
    return paths


def steps(run: Run) -> Iterator[Step]:
    yield compare_step(run)
    yield tables_step(run)
