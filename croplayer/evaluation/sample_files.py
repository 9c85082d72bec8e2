"""Files of a drawn sample, and reading them after review.

A sample has two files for review, a GeoPackage and a CSV, of which either may be used. A third file must not be edited:
``NAME.design.json`` holds how the points were drawn, the stratum of each point and the class of the map there. The
files for review do not show that class, so that it does not influence the reviewer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from croplayer.evaluation.frame import CLASSES
from croplayer.files.tables import csv_of
from croplayer.files.text_tables import read_text_table
from croplayer.vector.files import write_geopackage
from croplayer.vector.read import read_vector
from stores.durable import write_durable
from stores.grid import CRS

FORMAT = "croplayer sample 1"
POINT_COLUMNS = ["id", "lon", "lat", "block", "unit", "mapped", "stratum", "weight", "row", "col"]
REVIEW_COLUMNS = ("id", "lon", "lat", "label", "note")
MOVED_DEG = 1e-6
"""A point that is further from its drawn position than this (about 0.1 m) counts as moved."""


@dataclass(frozen=True)
class SampleDesign:
    """How and from which population a probability sample was drawn."""

    kind: str
    """stratified or systematic"""
    seed: int
    spacing_deg: float | None
    """Step of a systematic grid in degrees; None for a stratified sample"""
    strata: tuple[str, ...]
    stratum_km2: tuple[float, ...]
    units: tuple[str, ...]
    """Codes of the admin units; one empty code without units"""
    unit_names: tuple[str, ...]
    unit_class_km2: np.ndarray
    """(units, classes) float64, area in km2 mapped as each class"""
    unknown_km2: float
    """Area without map data, which is not sampled"""
    points: pd.DataFrame
    """One row per point: id, lon, lat, block, unit, mapped (code of a class), stratum, weight, row, col"""
    classes: tuple[str, ...] = CLASSES
    """What a label can say, by code"""
    map_digest: str = ""
    """Digest of the map of change that it was drawn from; empty for a sample of a run's map"""


@dataclass(frozen=True)
class ReviewedSample:
    """A sample after review."""

    design: SampleDesign | None
    """None when the file has no design beside it"""
    points: pd.DataFrame
    """The reviewed points with the code of a class as ``label``, and the design's columns where there is one"""
    flaw: str
    """The reason why this is no probability sample; empty if it is one"""


def write_sample(path: Path, design: SampleDesign, labels: Sequence[str] = ()) -> list[Path]:
    """Write NAME.design.json, NAME.csv and NAME.gpkg, in this order; returns the paths of all, the last one first.

    ``labels`` are those of the points where they are known already. A call that was killed leaves files without the GeoPackage, which the next one writes again.

    Raises FileExistsError when the GeoPackage exists, or a CSV with a label, because people may have labelled it.
    """
    paths = [path.with_suffix(suffix) for suffix in (".gpkg", ".csv", ".design.json")]
    for existing in paths[:2]:
        if existing.exists() and (existing.suffix == ".gpkg" or _has_labels(existing)):
            raise FileExistsError(f"{existing} exists and may hold labels; write the sample elsewhere or remove it")
    review = design.points[["id", "lon", "lat"]].assign(label=list(labels) or "", note="")
    facts = asdict(design) | {
        "format": FORMAT,
        "unit_class_km2": design.unit_class_km2.tolist(),
        "points": design.points.to_dict("records"),
    }
    if design.classes == CLASSES:
        del facts["classes"]
    if not design.map_digest:
        del facts["map_digest"]
    geometry = gpd.points_from_xy(review.lon, review.lat)
    write_durable(paths[2], json.dumps(facts, indent=1, ensure_ascii=False).encode())
    write_durable(paths[1], csv_of(review, "%.9f").encode())
    write_geopackage(paths[0], gpd.GeoDataFrame(review, geometry=geometry, crs=CRS), "sample")
    return paths


def _has_labels(path: Path) -> bool:
    """Whether a CSV holds anything that a call of ``write_sample`` did not write, as far as can be told."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False, sep=None, engine="python")
    return "label" not in table or bool((table.label != "").any())


def read_sample(path: Path) -> ReviewedSample:
    """Read a reviewed sample from its GeoPackage or CSV and join it with the design beside it.

    A sample without a design, or with points that were added, moved or not labelled, is no probability sample; its
    ``flaw`` gives the reason. Raises FileNotFoundError, or ValueError naming file, row and field, for a file that cannot
    be read as a sample.
    """
    design = _read_design(path.with_suffix(".design.json")) if path.exists() else None
    classes = design.classes if design else CLASSES
    reviewed = _read_review(path, classes)
    labelled = reviewed[reviewed.label.notna()].reset_index(drop=True)
    if labelled.empty:
        raise ValueError(f"{path} has no label yet; write {' or '.join(sorted(classes))} into the column 'label'")
    if design is None:
        flaw = f"{path.name} has no {path.stem}.design.json beside it, so how its points were chosen is not known"
        return ReviewedSample(None, labelled, flaw)
    drawn = design.points.set_index("id")
    foreign = ~labelled.id.isin(drawn.index)
    ours = labelled[~foreign]
    if ours.empty:
        raise ValueError(f"{path} has none of the points of its design; do not change the column 'id'")
    apart = np.abs(ours[["lon", "lat"]].to_numpy() - drawn.loc[ours.id, ["lon", "lat"]].to_numpy()).max(axis=1)
    missing = len(drawn) - len(ours)
    flaws = [
        (missing, f"{missing} of {len(drawn)} points have no label"),
        (int(foreign.sum()), f"{int(foreign.sum())} points were added by hand and are left out"),
        (int((apart > MOVED_DEG).sum()), f"{int((apart > MOVED_DEG).sum())} points were moved"),
    ]
    flaw = "; ".join(sentence for count, sentence in flaws if count)
    points = drawn.loc[ours.id].reset_index().assign(label=ours.label.to_numpy(np.int64))
    return ReviewedSample(design, points, flaw)


def labels_of(classes: Sequence[str]) -> dict[str, int]:
    """Values that a reviewer may write into ``label``: the names of classes and their codes."""
    return {name: code for code, name in enumerate(classes)} | {str(code): code for code in range(len(classes))}


def _read_review(path: Path, classes: Sequence[str]) -> pd.DataFrame:
    if not path.exists():
        raise FileNotFoundError(f"sample {path} does not exist")
    if path.suffix == ".csv":
        table, first, what = read_text_table(path, "sample"), 2, "row"
    elif path.suffix == ".gpkg":
        frame = read_vector(path, "sample")
        points = frame.geometry.to_crs(CRS)
        table = pd.DataFrame(frame.drop(columns="geometry")).fillna("").astype(str)
        table["lon"], table["lat"], first, what = points.x.map(repr), points.y.map(repr), 1, "feature"
    else:
        raise ValueError(f"sample {path} ends in '{path.suffix}'; expected .csv or .gpkg")
    for column in REVIEW_COLUMNS[:-1]:
        if column not in table.columns:
            raise ValueError(f"sample {path} has no column '{column}'; it has {', '.join(table.columns)}")
    table = table[list(REVIEW_COLUMNS[:-1])].apply(lambda c: c.str.strip())
    known, labels = labels_of(classes), []
    for row, (name, label) in enumerate(zip(table.id, table.label, strict=True), start=first):
        word = label.casefold().removesuffix(".0")
        if word and word not in known:
            raise ValueError(
                f"sample {path} {what} {row} ({name}): label is '{label}'; expected {', '.join(sorted(classes))} or nothing"
            )
        labels.append(known[word] if word else None)
    for field, limit in (("lon", 180), ("lat", 90)):
        values = pd.to_numeric(table[field], errors="coerce")
        bad = np.flatnonzero(~(values.abs() <= limit))
        if len(bad):
            raise ValueError(
                f"sample {path} {what} {bad[0] + first} ({table.id[bad[0]]}): {field} is '{table[field][bad[0]]}'; "
                f"expected degrees from -{limit} to {limit}"
            )
        table[field] = values
    double = np.flatnonzero(table.id.duplicated())
    if len(double):
        raise ValueError(f"sample {path} {what} {double[0] + first}: id '{table.id[double[0]]}' appears twice")
    return table.assign(label=pd.array(labels, dtype="Int64"))


def _read_design(path: Path) -> SampleDesign | None:
    if not path.exists():
        return None
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        found = facts.pop("format", None)
        if found != FORMAT:
            raise ValueError(f"{path} says format '{found}'; expected '{FORMAT}'; draw the sample again")
        facts["points"] = pd.DataFrame(facts["points"], columns=POINT_COLUMNS)
        facts["unit_class_km2"] = np.array(facts["unit_class_km2"], np.float64)
        lists = ("strata", "stratum_km2", "units", "unit_names", *(("classes",) if "classes" in facts else ()))
        return SampleDesign(**(facts | {name: tuple(facts[name]) for name in lists}))
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}); put back the one that was drawn with the sample") from error
