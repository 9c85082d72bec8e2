"""How well single fields are found in croplayer's SYNTHETIC country, whose parcels are known without error.

    python -m benchmarks.synthetic_fields -o bench_fields.json --page docs/fields.md

Two networks are trained on some scenes, the field rules are learned on others, and the fields are judged on scenes that none of
them saw, elsewhere in the country. One network is a U-Net from ``default`` that tells boundaries, the other a small Mask2Former from
random weights whose queries are taught fields. Each also has the true mask instead of its own, which shows what telling fields
apart leaves to gain. The scenes are of about 2 m a pixel.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.written import write_section
from croplayer.evaluation.field_objects import ALL_SIZES, FieldCounts, count_fields, field_figures
from croplayer.fields.learning import JOIN_STEPS, DrawnGround, learn, measured_fields
from croplayer.fields.rules import QUERIES, LearnedPair, load_rules, score_all
from croplayer.fields.separation import Ground
from croplayer.kernels.overlaps import Overlaps, overlaps
from croplayer.landscape.country import Country
from croplayer.landscape.make import SMALL_BOUNDS
from croplayer.landscape.samples import write_training_scenes
from croplayer.models import load_segmenter
from croplayer.models.networks.inference import CellNetwork, predict_layers
from croplayer.models.networks.manifest import read_manifest
from croplayer.models.networks.mirrors import mirrored
from croplayer.models.training.scenes import LabelledScenes, Scene
from croplayer.models.training.training import train_segmentation
from croplayer.models.training.training_config import TrainingConfig
from stores.field_sizes import SIZE_NAMES
from stores.grid import PixelWindow
from stores.legends import PROBABILITY_SCALE

COUNTRY_SEED = 11
"""Not the seed of a country that an included model was trained on."""
ZOOM = 16
SCENES, TRAINED, LEARNED = 40, 16, 12
"""Scenes, and how many of them teach the network and the rules; the others are judged."""
MIN_AREA_HA, MIN_CONFIDENCE = 0.05, 0.2
"""The limits of a recipe that sets none."""
HALF = PROBABILITY_SCALE // 2
BOUNDARIES, MIRRORS, BY_QUERIES = "U-Net", "U-Net with mirrors", "Mask2Former"
CELLS = {BOUNDARIES: (512, 64, 0), MIRRORS: (512, 64, 0), BY_QUERIES: (64, 64, 32)}
"""Edge of a network's cells, context of a scene and fade between cells, px; the scenes are one cell of the U-Net."""
OWN_MASK, TRUE_MASK = "its own", "the true one"
OWN_RULES = "learned here"
FAULTS = ("too small", "not mapped", "left out", "merged", "cut", "too wide or narrow")
"""What is wrong with a parcel: less than MIN_AREA_HA of it shows; less than half of it is mapped; its field is left out by the limits;
more than a quarter of the field that holds most of it is other parcels; no field holds half of it; none of these."""
MEASURES = ("f1", "mean_f1", "panoptic_quality", "precision", "recall")


def main() -> None:
    """Train, learn, judge, print the figures and write them."""
    arguments = _arguments()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        write_training_scenes(Country(COUNTRY_SEED), Path(scratch), SMALL_BOUNDS, ZOOM, SCENES)
        scenes = LabelledScenes.open(Path(scratch) / "images", Path(scratch) / "parcels.gpkg")
        # A fixed draw, because names begin with the source and the place.
        order = np.random.default_rng(0).permutation(scenes.names).tolist()
        trained, learned, judged = (
            scenes.subset(names) for names in (order[:TRAINED], order[TRAINED:][:LEARNED], order[TRAINED:][LEARNED:])
        )
        kept = arguments.keep or Path(scratch)
        folders = {
            BOUNDARIES: arguments.network or _trained(trained, _boundary_config(arguments.steps), kept, Path(scratch)),
            BY_QUERIES: arguments.query_network
            or _trained(trained, _query_config(arguments.query_steps), kept, Path(scratch)),
        }
        folders[MIRRORS] = folders[BOUNDARIES]
        results: list[Way] = []
        for kind, folder in folders.items():
            network = mirrored(load_segmenter(folder)) if kind == MIRRORS else load_segmenter(folder)
            teaching, shown = (
                [drawn_ground(network, scene, *CELLS[kind]) for scene in part.scenes] for part in (learned, judged)
            )
            for mask in (OWN_MASK, TRUE_MASK):
                results += ways(kind, mask, teaching, shown, arguments.rule_steps)
        steps = {kind: read_manifest(folders[kind]).recipe["steps"] for kind in folders}
    for way in results:
        print(way.network, way.mask, way.rules)
        print(way.figures[way.figures.measure.isin(MEASURES)].to_string(index=False))
    found: dict[str, Any] = {
        "scenes": "synthetic", "seed": COUNTRY_SEED, "steps": steps, "judged": list(judged.names),
        "seconds": round(time.perf_counter() - begun),
        "ways": [way._asdict() | {"figures": way.figures.to_dict("records")} for way in results],
    }  # fmt: skip
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.page:
        write_section(arguments.page, "synthetic_fields", page_text(results, steps, arguments.rule_steps))


class Way(NamedTuple):
    """How fields were found, and how well."""

    network: str
    """BOUNDARIES, MIRRORS or BY_QUERIES"""
    mask: str
    """OWN_MASK or TRUE_MASK"""
    rules: str
    """OWN_RULES or QUERIES"""
    figures: pd.DataFrame
    """Of `field_figures`"""
    faults: dict[str, int]
    """Of `faults`, summed over scenes"""


def ways(
    kind: str, mask: str, teaching: Sequence[DrawnGround], shown: Sequence[DrawnGround], rule_steps: int
) -> Iterator[Way]:
    """The fields of one network in one mask, with each kind of rules that it can have."""
    if mask == TRUE_MASK:
        teaching, shown = [true_mask(piece) for piece in teaching], [true_mask(piece) for piece in shown]
    pairs = {OWN_RULES: learn(teaching, tells_boundaries=True, join_steps=rule_steps)}
    if kind == BY_QUERIES:
        pairs |= {QUERIES: load_rules(QUERIES).with_boundaries}
    for rules, pair in pairs.items():
        kept = [(piece, kept_fields(piece, pair)) for piece in shown]
        figures = field_figures([judge(piece, found) for piece, found in kept])
        yield Way(kind, mask, rules, figures, dict(sum((faults(*each) for each in kept), Counter())))


def _boundary_config(steps: int) -> TrainingConfig:
    return TrainingConfig(
        architecture="unet", size="efficientnet-lite2", start="default", steps=steps, crop_px=256, batch=4, encoder_rate=0.3,
        weight_decay=0.02, gsd_m=(1.8, 4.0), checkpoint_every=0,
    )  # fmt: skip


def _query_config(steps: int) -> TrainingConfig:
    """Windows so small that each has fewer parcels than the network has queries."""
    return TrainingConfig(
        architecture="mask2former", size="lite", steps=steps, crop_px=128, batch=8, gsd_m=(1.8, 2.4), checkpoint_every=0
    )


def _trained(scenes: LabelledScenes, config: TrainingConfig, kept: Path, scratch: Path) -> Path:
    kept.mkdir(parents=True, exist_ok=True)
    return train_segmentation(
        scenes,
        config,
        kept / config.architecture,
        work=scratch / "work",
        training_data="synthetic",
        licence="synthetic",
    )


def drawn_ground(network: CellNetwork, scene: Scene, cell_px: int, halo_px: int, blend_px: int) -> DrawnGround:
    """The scores of a network in one scene, cell by cell as in a run, and its parcels."""
    arrays = scene.read()
    h, w = arrays.valid.shape
    margin = ((halo_px, halo_px + -h % cell_px), (halo_px, halo_px + -w % cell_px))
    rgb, valid = np.pad(arrays.rgb, (*margin, (0, 0))), np.pad(arrays.valid, margin)
    layers = predict_layers(network, rgb, valid, cell_px=cell_px, halo_px=halo_px, blend_px=blend_px)[:, :h, :w]
    cropland, boundary = np.where(layers <= PROBABILITY_SCALE, layers, 0).astype(np.uint8)
    ground = Ground(PixelWindow(0, 0, h, w), cropland >= HALF, cropland, boundary, arrays.rgb)
    return DrawnGround(scene.name, ground, arrays.parcels, scene.gsd_m)


def true_mask(piece: DrawnGround) -> DrawnGround:
    """The same ground with the true cropland as its map; the scores stay those of the network."""
    return replace(piece, ground=replace(piece.ground, inside=piece.parcels > 0))


class Kept(NamedTuple):
    """The fields of a scene, before and after a recipe's limits."""

    all: np.ndarray
    """(h, w) number of the field, 0 for none"""
    kept: np.ndarray
    """(h, w) the same of those that the limits keep"""


def kept_fields(piece: DrawnGround, pair: LearnedPair) -> Kept:
    """The fields that a pair of rules finds in one scene."""
    fields = measured_fields(piece, pair.join)
    area_ha = fields.measures[:, 0] / 1e4
    sure = 1 / (1 + np.exp(-score_all(pair.confidence, fields.features)))
    is_kept = np.concatenate([[False], (area_ha >= MIN_AREA_HA) & (sure >= MIN_CONFIDENCE)])
    return Kept(fields.labels.astype(np.int64), np.where(is_kept, np.arange(len(is_kept)), 0)[fields.labels])


def judge(piece: DrawnGround, fields: Kept) -> FieldCounts:
    """Counts of the fields of one scene; a parcel that its frame cuts is judged by the part that shows."""
    known = np.ones(fields.kept.shape, bool)
    found, drawn, known = (
        np.pad(a, 1, constant_values=v) for a, v in ((fields.kept, 0), (piece.parcels, 0), (known, True))
    )
    row_km2 = np.full(len(found), piece.pixel_m**2 / 1e6)
    return count_fields(found, drawn, known, row_km2, (piece.pixel_m, piece.pixel_m))


def faults(piece: DrawnGround, fields: Kept) -> Counter[str]:
    """How many parcels of one scene are matched at IoU 0.5, and what is wrong with the others: see FAULTS."""
    kept, every = (overlaps(found, piece.parcels, np.ones(len(found))) for found in (fields.kept, fields.all))
    pixels = np.bincount(piece.parcels.ravel())
    mapped = np.bincount(piece.parcels.ravel(), piece.ground.inside.ravel(), len(pixels))
    told: Counter[str] = Counter()
    for parcel in np.unique(piece.parcels[piece.parcels > 0]).tolist():
        if _best_iou(kept, parcel) > 0.5:
            told["matched"] += 1
        elif pixels[parcel] * piece.pixel_m**2 < MIN_AREA_HA * 1e4:
            told["too small"] += 1
        elif mapped[parcel] < pixels[parcel] / 2:
            told["not mapped"] += 1
        elif _best_iou(every, parcel) > 0.5:
            told["left out"] += 1
        else:
            told[_fault(every, parcel)] += 1
    return told


def _best_iou(pairs: Overlaps, parcel: int) -> float:
    own = (pairs.second == parcel) & (pairs.first > 0)
    whole = pairs.pixels[pairs.second == parcel].sum()
    found = np.bincount(pairs.first, pairs.pixels)[pairs.first[own]]
    return float(np.max(pairs.pixels[own] / (whole + found - pairs.pixels[own]), initial=0))


def _fault(pairs: Overlaps, parcel: int) -> str:
    """What is wrong with a parcel that is mapped and that no field is: the field that holds most of it tells."""
    own = (pairs.second == parcel) & (pairs.first > 0)
    largest = pairs.first[own][pairs.pixels[own].argmax()]
    if 2 * pairs.pixels[own].max() <= pairs.pixels[pairs.second == parcel].sum():
        return "cut"
    of_field = pairs.first == largest
    others = pairs.pixels[of_field & (pairs.second > 0) & (pairs.second != parcel)]
    return "merged" if 4 * others.sum() > pairs.pixels[of_field].sum() else "too wide or narrow"


def f1_without_small(way: Way) -> float:
    """F1 where parcels that are too small to be kept, and are not matched, do not count as missed."""
    rows = way.figures.set_index(["measure", "size"])
    precision = float(rows.loc[("precision", ALL_SIZES)].value)
    recall = way.faults["matched"] / (sum(way.faults.values()) - way.faults.get("too small", 0))
    return 2 * precision * recall / (precision + recall)


def page_text(results: Sequence[Way], steps: Mapping[str, int], rule_steps: int) -> str:
    """Two tables: the figures of each way, and what is wrong with the parcels that it does not match."""
    lines = [
        f"Training steps: {steps[BOUNDARIES]} of the U-Net from `default`, {steps[BY_QUERIES]} of the Mask2Former from random weights, "
        f"{rule_steps} of each learning of a rule.", "",
        "| network | mask | rules | F1 at IoU 0.5 | without those too small | under 0.5 ha | 0.5 to 2 ha | panoptic quality |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for way in results:
        rows = way.figures.set_index(["measure", "size"])
        shown = [("f1", ALL_SIZES), ("f1", SIZE_NAMES[0]), ("f1", SIZE_NAMES[1]), ("panoptic_quality", ALL_SIZES)]
        cells = [f"{rows.loc[k].value:.3f} ({rows.loc[k].low:.3f} to {rows.loc[k].high:.3f})" for k in shown]
        cells.insert(1, f"{f1_without_small(way):.3f}")
        lines.append(f"| {way.network} | {way.mask} | {way.rules} | {' | '.join(cells)} |")
    names = ("matched", *FAULTS)
    lines += ["", "Parcels by what became of them:", "", f"| network | mask | rules | {' | '.join(names)} |"]
    lines.append(f"|---|---|---|{'---:|' * len(names)}")
    for way in results:
        counts = " | ".join(str(way.faults.get(name, 0)) for name in names)
        lines.append(f"| {way.network} | {way.mask} | {way.rules} | {counts} |")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1200, help="training steps of the U-Net")
    parser.add_argument("--query-steps", type=int, default=1500, help="training steps of the Mask2Former")
    parser.add_argument("--rule-steps", type=int, default=JOIN_STEPS, help="steps of each learning of a rule")
    parser.add_argument("--network", type=Path, help="a U-Net that was trained on the same scenes")
    parser.add_argument("--query-network", type=Path, help="a Mask2Former that was trained on the same scenes")
    parser.add_argument("--keep", type=Path, help="folder that trained networks are kept in, as unet and mask2former")
    parser.add_argument("--page", type=Path, help="page that the figures are written into, docs/fields.md")
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
