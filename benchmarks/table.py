"""Time the work on a nation's block table: 389,777 rows, two decisions, sums of ten maps by province.

    python -m benchmarks.table [--blocks N] [--json FILE]

The numbers in the table are made up; what is timed is what a run does with real ones.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import dask_geopandas
import numpy as np
import pandas as pd

from croplayer.decisions.boosting import feature_matrix, fit
from croplayer.decisions.correctness import correctness_samples
from croplayer.decisions.integration import LABELS, integration_samples
from croplayer.decisions.quality import judge
from croplayer.evaluation.provinces import unit_table
from croplayer.features import IMAGE, SHAPE, TERRAIN, correctness_columns, integration_columns
from croplayer.legends import DEFAULT_CLASSES, CoverageType
from croplayer.tables import with_geometry, write_parquet

CHINA_BLOCKS = 389_777
REVIEWED = 3_891
PROVINCES = 34
MAPS = 10
SOURCES = ("mapbox", "google")
FIT = "classifier fitted"
GOAL_S = 60.0
GOAL_GIB = 3.0


def made_up_table(count: int, seed: int = 0) -> pd.DataFrame:
    """A block table whose decisions can be learnt from its features, with some missing values."""
    rng = np.random.default_rng(seed)
    width = 800
    row, col = np.divmod(np.arange(count), width)
    names = np.char.add(np.char.add("r", np.char.zfill((row + 800).astype(str), 4)), "c")
    table = pd.DataFrame({"block": np.char.add(names, np.char.zfill((col + 5000).astype(str), 4)).astype(object)})
    table["row"], table["col"] = row + 800, col + 5000
    for feature in TERRAIN:
        table[feature.name] = rng.normal(size=count).astype(np.float32)
    coverage = np.array([c.label for c in CoverageType], dtype=object)
    for source in SOURCES:
        table[f"coverage_type_{source}"] = coverage[rng.choice(5, count, p=[0.5, 0.3, 0.08, 0.1, 0.02])]
        for feature in (*IMAGE[1:], *SHAPE):
            table[feature.column(source)] = rng.random(count)
        table[f"regions_{source}"] = rng.integers(0, 900, count)
        table[f"confirmed_{source}"] = np.where(rng.random(count) < 0.1, np.nan, rng.random(count))
    table["iou_between_sources_mapbox"] = table["iou_between_sources_google"] = rng.random(count)
    for k in range(MAPS):
        table[f"area_km2_map{k}"] = 20 * rng.random(count)
    table["block_km2"] = 25.0
    table["adcode_1"] = (110000 + 10000 * (row * PROVINCES // (row.max() + 1))).astype(str)
    return table


def made_up_reviews(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Reviews of every n-th block that follow from its features, with a tenth of errors."""
    chosen = table.iloc[:: max(1, len(table) // count)].reset_index(drop=True)
    rng = np.random.default_rng(1)
    reviews = chosen[["block"]].assign(reviewer="")
    good = []
    for source in SOURCES:
        bad = chosen[f"coverage_type_{source}"].isin(["Cloudy", "Snow/Ice", "Nodata"])
        codes = np.where(
            bad, 4, np.where(chosen[f"area_fraction_{source}"] < 0.2, 1, (chosen[f"hue_{source}"] > 0.7) * 2)
        )
        codes = np.where(rng.random(len(chosen)) < 0.1, rng.integers(0, 5, len(chosen)), codes)
        reviews[f"correctness_{source}"] = np.array(DEFAULT_CLASSES.labels, dtype=object)[codes]
        good.append(codes == 0)
    reviews["integration"] = np.array(LABELS, dtype=object)[good[0] * 1 + good[1] * 2]
    return reviews


def province_areas(path: Path) -> pd.DataFrame:
    """Sums of the maps by province, read back through dask-geopandas."""
    columns = {f"area_km2_map{k}": f"map{k}" for k in range(MAPS)} | {"block_km2": "land"}
    blocks = dask_geopandas.read_parquet(path)
    with dask.config.set(scheduler="synchronous"):
        sums = blocks[["adcode_1", *columns]].groupby("adcode_1").sum().compute()
    return pd.DataFrame(sums).rename(columns=columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=CHINA_BLOCKS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    table = made_up_table(options.blocks)
    reviews = made_up_reviews(table, REVIEWED)
    seconds: dict[str, tuple[float, float]] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        seconds[name] = time.perf_counter() - wall, time.process_time() - cpu
        print(f"{name:<46} {seconds[name][0]:7.1f} s {seconds[name][1]:7.1f} s CPU", flush=True)

    print(f"{options.blocks} blocks, {len(reviews)} reviewed, {PROVINCES} provinces, {MAPS} maps")
    samples = correctness_samples(table, SOURCES, reviews)
    with timed(FIT):
        classifier = fit(samples.matrix, samples.codes, samples.names, 0, samples.categorical)
    with timed("correctness of both sources predicted"):
        for source in SOURCES:
            codes, confidence = classifier.predict_class(feature_matrix(table, correctness_columns(source)))
            table[f"correctness_{source}"] = np.array(DEFAULT_CLASSES.labels, dtype=object)[codes]
            table[f"correctness_confidence_{source}"] = confidence
    samples = integration_samples(table, SOURCES, reviews)
    with timed(FIT + " (integration)"):
        classifier = fit(samples.matrix, samples.codes, samples.names, 0, samples.categorical)
    with timed("integration predicted"):
        codes, confidence = classifier.predict_class(feature_matrix(table, integration_columns(SOURCES)))
        table["integration"], table["integration_confidence"] = codes, confidence
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blocks.parquet"
        with timed("blocks.parquet with geometry"):
            write_parquet(path, with_geometry(table))
        with timed("sums of the maps by province"):
            areas = province_areas(path)
            units = pd.DataFrame(
                {"adcode": areas.index, "name_en": "", "name_zh": "", "land_km2": areas["land"].to_numpy()}
            )
            unit_table(units, areas, [f"map{k}" for k in range(MAPS)], None, 0.1)
    wall, cpu = (sum(s[k] for s in seconds.values()) for k in (0, 1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{'all':<46} {wall:7.1f} s {cpu:7.1f} s CPU, peak {peak:.2f} GiB (goals {GOAL_S:.0f} s, {GOAL_GIB:.0f} GiB)")
    with timed("beside it, once per review: held-out quality"):
        judge(samples, 0)
    if options.json:
        facts = {"blocks": options.blocks, "seconds": seconds, "wall_s": wall, "cpu_s": cpu, "peak_gib": peak}
        options.json.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
