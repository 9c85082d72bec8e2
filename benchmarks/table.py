"""Time the work on a nation's block table: 389,777 rows, two decisions, sums of twelve maps by province, all figures.

    python -m benchmarks.table [--blocks N] [--json FILE]

The numbers in the table are made up; what is timed is what the client of a run does with real ones, in its own process.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from croplayer.decisions.boosting import Classifier, feature_matrix, fit
from croplayer.decisions.correctness import correctness_samples
from croplayer.decisions.integration import LABELS, integration_samples
from croplayer.decisions.quality import Judged, Samples, judge
from croplayer.evaluation.levels import level_table
from croplayer.evaluation.maps import agreement_table, product_table
from croplayer.evaluation.products import deviation_table, slope_table
from croplayer.evaluation.provinces import interior_sums, unit_table
from croplayer.evaluation.statistics import KM2_PER_KHA
from croplayer.files.tables import with_geometry, write_parquet
from croplayer.measures.agreement import Agreement
from croplayer.measures.features import IMAGE, SHAPE, TERRAIN, correctness_columns, feature_table, integration_columns
from croplayer.report import (
    sections_decisions,
    sections_details,
    sections_map,
    sections_products,
    sections_proof,
)
from croplayer.report.page import Picture, Report
from croplayer.report.tables import ReportTables
from stores.legends import DEFAULT_CLASSES, INTEGRATED, MERGE_BOTH, CoverageType
from stores.tables import DECISION_TABLES

CHINA_BLOCKS = 389_777
REVIEWED = 3_891
PROVINCES = 34
SOURCES = ("mapbox", "google")
PRODUCTS = ("CACD", "CLCD", "ESA", "ESRI", "FROM", "FCS30", "GL30", "SinoLC")
MAPS = (*SOURCES, MERGE_BOTH, INTEGRATED, *PRODUCTS)
FIT = "classifier fitted"
GOAL_S = 60.0
GOAL_GIB = 3.0


def made_up_table(count: int, seed: int = 0) -> pd.DataFrame:
    """A block table whose decisions can be learnt from its features, with some missing values."""
    rng = np.random.default_rng(seed)
    width = 800
    row, col = np.divmod(np.arange(count), width)
    names = np.char.add(np.char.add("r", np.char.zfill((row + 800).astype(str), 4)), "c")
    blocks = np.char.add(names, np.char.zfill((col + 5000).astype(str), 4)).astype(object)
    table: dict[str, np.ndarray] = {"block": blocks}
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
    table["block_km2"], table["block_pixels"] = np.full(count, 25.0), np.full(count, 2560 * 2560)
    for name in MAPS:
        table[f"known_{name}"] = np.where(rng.random(count) < 0.01, 0.5, 1.0)
        table[f"area_fraction_{name}"] = rng.random(count)
        table[f"area_km2_{name}"] = table["block_km2"] * table[f"area_fraction_{name}"]
        table[f"edge_density_{name}"] = rng.random(count) / 10
    for feature in ("solidity_mean", "euler_mean"):
        for name in (MERGE_BOTH, INTEGRATED):
            table[f"{feature}_{name}"] = rng.random(count)
    for name in PRODUCTS:
        for part in Agreement._fields:
            table[f"{part}_{INTEGRATED}_{name}"] = rng.integers(0, 2560 * 2560 // 4, count)
    table["adcode_1"] = (110000 + 10000 * (row * PROVINCES // (row.max() + 1))).astype(str)
    return pd.DataFrame(table)


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


def made_up_statistics(areas: pd.DataFrame) -> pd.DataFrame:
    """Statistics that the maps miss by up to a fifth."""
    rng = np.random.default_rng(2)
    kha = areas[INTEGRATED].to_numpy() / KM2_PER_KHA * rng.uniform(0.8, 1.2, len(areas))
    return pd.DataFrame({"cropland_kha": kha, "note": ""})


def figures_of(table: pd.DataFrame, units: pd.DataFrame, judged: Mapping[str, Judged]) -> list[Picture]:
    """Every figure that a report draws from the block table and the tables made of it, as PNG and PDF."""
    tables = {
        "levels": level_table(table, table[["block", "row", "col"]], units, MAPS[:4], SOURCES, None, MAPS[:4]),
        "agreement": pd.concat([agreement_table(table, [INTEGRATED], name) for name in PRODUCTS], ignore_index=True),
        "products": product_table(table, list(PRODUCTS), INTEGRATED),
        "product_deviations": deviation_table(table, PRODUCTS, INTEGRATED),
        "product_slopes": slope_table(table, PRODUCTS, INTEGRATED),
        "features": feature_table(SOURCES),
    }
    for name, quality in judged.items():
        method = {"method": "XGBoost", "accuracy": quality.accuracy.accuracy.iloc[0]}
        tables |= {f"{name}_{kind}": getattr(quality, kind) for kind in DECISION_TABLES}
        tables[f"{name}_method"] = pd.DataFrame([method])
    results = ReportTables(
        sources=SOURCES, products=PRODUCTS, product_titles={name: name for name in PRODUCTS}, reference=None,
        blocks=table, units={1: units}, tables=tables, classes=DEFAULT_CLASSES.labels, correct=DEFAULT_CLASSES.correct,
        within=0.1,
    )  # fmt: skip
    sections = [
        sections_map.area_section(results),
        sections_proof.levels_section(results), sections_proof.statistics_section(results),
        sections_products.products_section(results, []), sections_details.quality_section(results),
        *filter(None, [sections_decisions.sample_section(results)]), sections_decisions.correctness_section(results),
        sections_decisions.integration_section(results), sections_details.feature_section(results),
    ]  # fmt: skip
    return Report("", [], [], sections).pictures


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
        print(
            f"{name:<46} {seconds[name][0]:7.1f} s {seconds[name][1]:7.1f} s CPU, peak {peak_gib():.2f} GiB", flush=True
        )

    print(f"{options.blocks} blocks, {len(reviews)} reviewed, {PROVINCES} provinces, {len(MAPS)} maps")
    samples = {"correctness": correctness_samples(table, SOURCES, reviews)}
    with timed(FIT):
        classifier = fit_samples(samples["correctness"])
    with timed("correctness of both sources predicted"):
        for source in SOURCES:
            features = feature_matrix(table, correctness_columns(source))
            codes, confidence = classifier.predict_class(features, classifier.names)
            table[f"correctness_{source}"] = np.array(DEFAULT_CLASSES.labels, dtype=object)[codes]
            table[f"correctness_confidence_{source}"] = confidence
    samples["integration"] = integration_samples(table, SOURCES, reviews)
    with timed(FIT + " (integration)"):
        classifier = fit_samples(samples["integration"])
    with timed("integration predicted"):
        columns = integration_columns(SOURCES)
        codes, confidence = classifier.predict_class(feature_matrix(table, columns), [name for _, name in columns])
        table["integration"], table["integration_confidence"] = codes, confidence
        table["integration_label"], table["override"] = np.array(LABELS, dtype=object)[codes], ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blocks.parquet"
        with timed("blocks.parquet with geometry"):
            write_parquet(path, with_geometry(table))
        with timed("sums of the maps by province"):
            columns = {"block_km2": "land"} | {f"area_km2_{name}": name for name in MAPS}
            areas = interior_sums(path, "adcode_1", columns, {f"known_{name}": f"{name}:known" for name in MAPS})
            names = {"adcode": areas.index, "name_en": [f"province {c[:2]}" for c in areas.index], "name_zh": ""}
            units = unit_table(
                pd.DataFrame(names | {"land_km2": areas["land"].to_numpy()}),
                areas,
                MAPS,
                made_up_statistics(areas),
                0.1,
            )
    begun = time.perf_counter()
    judged = {name: judge(found, 0) for name, found in samples.items()}
    held_out = time.perf_counter() - begun
    with timed("all figures as PNG and PDF"):
        pictures = figures_of(table, units, judged)
    wall, cpu = (sum(s[k] for s in seconds.values()) for k in (0, 1))
    print(
        f"{'all':<46} {wall:7.1f} s {cpu:7.1f} s CPU, peak {peak_gib():.2f} GiB (goals {GOAL_S:.0f} s, {GOAL_GIB:.0f} GiB)"
    )
    print(f"{len(pictures)} figures; beside it, once per set of reviews: held-out quality in {held_out:.1f} s")
    if options.json:
        facts = {
            "blocks": options.blocks, "figures": len(pictures), "seconds": seconds, "held_out_s": held_out,
            "wall_s": wall, "cpu_s": cpu, "peak_gib": peak_gib(),
        }  # fmt: skip
        options.json.write_text(json.dumps(facts, indent=1) + "\n")


def peak_gib() -> float:
    """Most memory that this process has held, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def fit_samples(samples: Samples) -> Classifier:
    """A classifier of all the samples."""
    return fit(samples.matrix, samples.codes, samples.names, 0, samples.categorical)


if __name__ == "__main__":
    main()
