"""How well single fields are found in croplayer's SYNTHETIC country, whose parcels are known without error.

    python -m benchmarks.synthetic_fields -o bench_fields.json

A network is trained from ``default`` on some scenes, the field rules are learned on others, and the fields are judged on scenes
that neither saw, elsewhere in the country. The scenes are of about 2 m a pixel.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from croplayer.evaluation.field_objects import FieldCounts, count_fields, field_figures
from croplayer.fields.learning import DrawnGround, learn, measured_fields
from croplayer.fields.rules import LearnedPair, score_all
from croplayer.fields.separation import Ground
from croplayer.landscape.country import Country
from croplayer.landscape.make import DEMO_BOUNDS
from croplayer.landscape.samples import write_training_scenes
from croplayer.models import load_segmenter
from croplayer.models.networks.inference import DEFAULT_HALO_PX, predict_layers
from croplayer.models.networks.segmentation import SegmentationNetwork
from croplayer.models.training.scenes import LabelledScenes, Scene
from croplayer.models.training.training import train_segmentation
from croplayer.models.training.training_config import TrainingConfig
from stores.grid import PixelWindow

COUNTRY_SEED = 11
"""Not the seed of a country that an included model was trained on."""
ZOOM = 16
SCENES, TRAINED, LEARNED = 40, 16, 12
"""Scenes, and how many of them teach the network and the rules; the others are judged."""
MIN_AREA_HA, MIN_CONFIDENCE = 0.05, 0.2
"""The limits of a recipe that sets none."""
HALF = 125
MEASURES = ("f1", "mean_f1", "panoptic_quality", "precision", "recall")


def main() -> None:
    """Train, learn, judge, print the figures and write them as JSON."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        write_training_scenes(Country(COUNTRY_SEED), Path(scratch), DEMO_BOUNDS, ZOOM, SCENES)
        scenes = LabelledScenes.open(Path(scratch) / "images", Path(scratch) / "parcels.gpkg")
        # A fixed draw, because names begin with the source and the place.
        order = np.random.default_rng(0).permutation(scenes.names).tolist()
        begun = time.perf_counter()
        folder = arguments.network or _trained(scenes.subset(order[:TRAINED]), arguments.steps, Path(scratch))
        network = load_segmenter(folder)
        grounds = [drawn_ground(network, scene) for scene in scenes.subset(order[TRAINED:]).scenes]
        by_name = {ground.name: ground for ground in grounds}
        teaching, judged = (
            [by_name[name] for name in part] for part in (order[TRAINED:][:LEARNED], order[TRAINED:][LEARNED:])
        )
        pair = learn(teaching, tells_boundaries=True)
        counts = [judge(ground, pair) for ground in judged]
    table = field_figures(counts)
    print(table[table.measure.isin(MEASURES)].to_string(index=False))
    found: dict[str, Any] = {
        "scenes": "synthetic", "seed": COUNTRY_SEED, "steps": arguments.steps, "judged": [ground.name for ground in judged],
        "seconds": round(time.perf_counter() - begun), "figures": table.to_dict("records"),
    }  # fmt: skip
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.markdown:
        arguments.markdown.write_text(page_table(table), encoding="utf-8")


def _trained(scenes: LabelledScenes, steps: int, scratch: Path) -> Path:
    config = TrainingConfig(
        architecture="unet", size="efficientnet-lite2", start="default", steps=steps, crop_px=256, batch=4, encoder_rate=0.3,
        weight_decay=0.02, gsd_m=(1.8, 4.0), checkpoint_every=0,
    )  # fmt: skip
    return train_segmentation(
        scenes, config, scratch / "bundle", work=scratch / "work", training_data="synthetic", licence="synthetic"
    )


def drawn_ground(network: SegmentationNetwork, scene: Scene) -> DrawnGround:
    """The scores of a network in one scene, and its parcels."""
    arrays = scene.read()
    h, w = arrays.valid.shape
    margin = ((DEFAULT_HALO_PX, DEFAULT_HALO_PX + -h % 2), (DEFAULT_HALO_PX, DEFAULT_HALO_PX + -w % 2))
    rgb, valid = np.pad(arrays.rgb, (*margin, (0, 0))), np.pad(arrays.valid, margin)
    layers = predict_layers(network, rgb, valid)[:, :h, :w]
    cropland, boundary = np.where(layers <= 250, layers, 0).astype(np.uint8)
    ground = Ground(PixelWindow(0, 0, h, w), cropland >= HALF, cropland, boundary, arrays.rgb)
    return DrawnGround(scene.name, ground, arrays.parcels, scene.gsd_m)


def judge(piece: DrawnGround, pair: LearnedPair) -> FieldCounts:
    """Counts of the fields of one scene; a parcel that its frame cuts is judged by the part that shows."""
    fields = measured_fields(piece, pair.join)
    area_ha = fields.measures[:, 0] / 1e4
    sure = 1 / (1 + np.exp(-score_all(pair.confidence, fields.features)))
    is_kept = np.concatenate([[False], (area_ha >= MIN_AREA_HA) & (sure >= MIN_CONFIDENCE)])
    found = np.where(is_kept, np.arange(len(is_kept)), 0)[fields.labels]
    known = np.ones(found.shape, bool)
    found, drawn, known = (np.pad(a, 1, constant_values=v) for a, v in ((found, 0), (piece.parcels, 0), (known, True)))
    row_km2 = np.full(len(found), piece.pixel_m**2 / 1e6)
    return count_fields(found, drawn, known, row_km2, (piece.pixel_m, piece.pixel_m))


def page_table(table: pd.DataFrame) -> str:
    """The F1 of all fields and of each size as rows of a Markdown table."""
    rows = table.set_index(["measure", "size"])
    lines = ["| synthetic country | drawn | F1 at IoU 0.5 |", "|---|---:|---:|"]
    for size in table["size"].unique():
        f1 = rows.loc[("f1", size)]
        drawn = int(rows.loc[("drawn", size)].value)
        lines.append(
            f"| {size} | {drawn} | {f1.value:.3f} ({f1.low:.3f} to {f1.high:.3f}) |" if drawn else f"| {size} | 0 | - |"
        )
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="training steps of the network")
    parser.add_argument("--network", type=Path, help="a bundle that an earlier run trained on the same scenes")
    parser.add_argument("--markdown", type=Path, help="file for the table of the F1 by size")
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
