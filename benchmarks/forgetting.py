"""What keeping the map on land without a label is worth: rounds of the shipped model on land that it has never seen.

    python -m benchmarks.forgetting --country 21 22 --keep 0 2 -o forgetting.json --write docs/labels.md

The land is croplayer's SYNTHETIC country; the model is ``default``, which learned on real scenes alone. Squares are chosen as ``croplayer
label next`` does, by how unsure the shipped model is and where the sources disagree, and labelled by a mapper who makes mistakes. Three
rounds learn from them, once for each weight of keeping, with the configuration of a round but fewer steps and smaller windows.
All are judged on the same windows of held-out blocks, by the truth. No page, no GeoPackage and no cube are part of it.

What the JSON file holds already is not measured again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from shapely.geometry.base import BaseGeometry

from benchmarks.written import write_section
from croplayer.active.choosing import best_and_diverse
from croplayer.active.held_out import is_held_out
from croplayer.active.rounds.learning import ShownAgain, training_config
from croplayer.active.rounds.mapping import MappingSettings, held_out_agreement
from croplayer.active.rounds.settings import Learning
from croplayer.active.scores import NAMES, probability_scores, ranks
from croplayer.active.simulated_labeller import Labeller
from croplayer.active.windows import beside_any, pixel_m, places, windows_of
from croplayer.landscape.classes import IS_CROPLAND
from croplayer.landscape.country import Country
from croplayer.landscape.make import SMALL_BOUNDS
from croplayer.landscape.sources import SOURCES
from croplayer.landscape.truth import PLANTING_SHARE, block_truth
from croplayer.measures.agreement import Agreement
from croplayer.models.bundles.catalogue import find_bundle
from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.networks.inference import mask_from_probability, predict_image
from croplayer.models.networks.manifest import read_manifest
from croplayer.models.training.scenes import LabelledScenes, RepairReport, Scene, SceneArrays
from croplayer.models.training.training import fixed_threads, train_segmentation
from stores.grid import BlockGrid, BlockIndex, PixelWindow

GRID = BlockGrid(1280)
"""Pixels of 3.9 m, which ``default`` knows."""
EDGE, MARGIN = 256, 64
HELD_OUT, PROJECT_SEED = 0.35, 8
BATCHES = (12, 14, 14)
"""Squares that are labelled in each round."""
JUDGED = 40
"""Windows of held-out blocks that judge."""
KEPT_PICTURES = 40
MAPPING = MappingSettings(256, 32, 1, 0.5)
MODEL = "default"


@dataclass(frozen=True)
class Shown:
    """A picture and what is said of it; a scene that is not on disk."""

    name: str
    arrays: SceneArrays
    gsd_m: float
    polygons: tuple[BaseGeometry, ...] = ()

    def read(self) -> SceneArrays:
        """Pixels and labels."""
        return self.arrays


@dataclass(frozen=True)
class Land:
    """A part of a country: what its sources show, and what is true."""

    country: Country

    @cached_property
    def usable(self) -> dict[BlockIndex, list[str]]:
        """The sources that show each block without clouds or snow; blocks without any are left out."""
        shown = {b: [s for s in SOURCES if block_truth(self.country, s, b).coverage_type.is_usable] for b in _blocks()}
        return {block: sources for block, sources in shown.items() if sources}

    @cached_property
    def _pixels(self) -> dict[BlockIndex, tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]]:
        found = {}
        for block in self.usable:
            window = GRID.window(block).grown(MARGIN)
            lon, lat = GRID.longitudes(window.col, window.width), GRID.latitudes(window.row, window.height)
            nodes = self.country.nodes(lon, lat)
            survey = self.country.survey(lon, lat, nodes=nodes)
            fields = np.where(IS_CROPLAND[survey.cover] == 1, survey.parcel, 0)
            _, numbers = np.unique(fields, return_inverse=True)
            pictures = {source: self.country.render(source, lon, lat, nodes=nodes) for source in SOURCES}
            found[block] = pictures, numbers.reshape(fields.shape).astype(np.int32)
        return found

    def windows(self, is_held: bool) -> list[PixelWindow]:
        """The windows of the usable blocks that are held out, or of the others."""
        blocks = [b for b in self.usable if is_held_out(b, PROJECT_SEED, HELD_OUT) == is_held]
        return [window for block in blocks for window in windows_of(block, GRID, EDGE)]

    def fields(self, window: PixelWindow) -> np.ndarray:
        """Number of the true field of each pixel, (h, w) int32."""
        block, place = _place(window, 0)
        return self._pixels[block][1][place]

    def is_planted(self, window: PixelWindow) -> bool:
        """Whether the block is a planting one, as coverage types have it."""
        return float((self._pixels[_block(window)][1] > 0).mean()) >= PLANTING_SHARE

    def picture(self, window: PixelWindow, source: str) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of a window and its margin, and where there is imagery."""
        block, place = _place(window, MARGIN)
        return tuple(np.ascontiguousarray(values[place]) for values in self._pixels[block][0][source])  # type: ignore[return-value]

    def scenes(self, windows: Sequence[PixelWindow], labels: Sequence[np.ndarray | None]) -> LabelledScenes:
        """Scenes of every usable source; None says nothing of a window."""
        found: list[Scene] = []
        for window, fields in zip(windows, labels, strict=True):
            for source in self.usable[_block(window)]:
                rgb, valid = self.picture(window, source)
                said, inside = np.zeros(valid.shape, np.int32), np.zeros(valid.shape, bool)
                if fields is not None:
                    said[MARGIN:-MARGIN, MARGIN:-MARGIN], inside[MARGIN:-MARGIN, MARGIN:-MARGIN] = fields, True
                arrays = SceneArrays(rgb, said, valid, inside & valid)
                found.append(Shown(f"{window.row}-{window.col}.{source}", arrays, pixel_m(window, GRID)))
        return LabelledScenes(tuple(found), RepairReport((), ()))


def _blocks() -> list[BlockIndex]:
    return list(GRID.blocks_in(SMALL_BOUNDS))


def _block(window: PixelWindow) -> BlockIndex:
    return BlockIndex(window.row // GRID.block_px, window.col // GRID.block_px)


def _place(window: PixelWindow, margin: int) -> tuple[BlockIndex, tuple[slice, slice]]:
    block = _block(window)
    return block, window.grown(margin).slices_in(GRID.window(block).grown(MARGIN))


def chosen(land: Land) -> list[list[PixelWindow]]:
    """The squares of each round, by the scores of the shipped model."""
    network = load_segmenter(find_bundle(MODEL), device="cpu")
    rows = []
    for window in land.windows(is_held=False):
        if (window.row // EDGE + window.col // EDGE) % 2:  # no two neighbours are chosen, so half of them are enough
            continue
        pictures = [land.picture(window, source) for source in land.usable[_block(window)]]
        inside = slice(MARGIN, -MARGIN)
        probabilities = [predict_image(network, rgb, valid)[inside, inside] for rgb, valid in pictures]
        masks = [mask_from_probability(p, MAPPING.threshold) for p in probabilities]
        scores = {name: float(values[0]) for name, values in probability_scores(probabilities, masks, EDGE).items()}
        rgb = pictures[0][0][::4, ::4] / 255
        colours = np.concatenate([rgb.mean((0, 1)), rgb.std((0, 1))])
        rows.append({
            **dict.fromkeys(NAMES, np.nan), **scores, **{f"colour_{i}": c for i, c in enumerate(colours)},
            "id": f"{window.row}-{window.col}", "window": window, "unit": "",
            "coverage": "Planting" if land.is_planted(window) else "Non-planting",
        })  # fmt: skip
    table = pd.DataFrame(rows)
    where, taken, batches = places(list(table.window)), [], []
    for count in BATCHES:
        free = ~beside_any(where, where[taken])
        new = best_and_diverse(table, ranks(table), free, taken, count, None)
        taken += new
        batches.append([table.window[row] for row in new])
    return batches


def rounds(land: Land, batches: list[list[PixelWindow]], learning: Learning, out: Path) -> list[dict[str, float]]:
    """Learn from every batch after the other; the figures of the start and of each round."""
    rng = np.random.default_rng(land.country.seed)
    held = land.windows(is_held=True)
    judged = [held[i] for i in rng.permutation(len(held))[:JUDGED]]
    truth = land.scenes(judged, [land.fields(window) for window in judged])
    start, done = find_bundle(MODEL), []
    found = [_figures(start, truth)]
    free = [w for w in land.windows(is_held=False) if w not in {w for batch in batches for w in batch}]
    for number, batch in enumerate(batches, start=1):
        drawn = [Labeller().label(land.fields(w), np.random.default_rng([w.row, w.col])).fields for w in batch]
        new = land.scenes(batch, drawn)
        again = [ShownAgain(scene, time) for scene in new.scenes for time in range(2, learning.new_times + 1)]
        shown = LabelledScenes(tuple(sorted((*new.scenes, *again, *done), key=lambda s: s.name)), new.report)
        other = [free[i] for i in rng.permutation(len(free))[:KEPT_PICTURES]]
        unlabelled = land.scenes(other, [None] * len(other))
        unlabelled = unlabelled.subset(unlabelled.names[: KEPT_PICTURES if learning.keep else 0])
        config = training_config(read_manifest(start), learning, [s.gsd_m for s in shown.scenes], EDGE, str(start))
        start = train_segmentation(
            shown, config, out / f"{number}", work=out, training_data="synthetic", licence="none", unlabelled=unlabelled
        )
        done += new.scenes
        found.append(_figures(start, truth))
    return found


def _figures(model: Path, truth: LabelledScenes) -> dict[str, float]:
    counts = sum(held_out_agreement(model, truth, MAPPING).values(), Agreement())
    mapped, there = counts.tp + counts.fp, counts.tp + counts.fn
    found = {"iou": counts.iou, "precision": counts.tp / max(mapped, 1), "recall": counts.tp / max(there, 1)}
    return {name: round(float(value), 4) for name, value in found.items()}


def section(told: dict[str, Any]) -> str:
    """The figures as a table of a page: IoU in per cent, a row for each country and weight."""
    squares = np.cumsum(BATCHES)
    first, *others = (f"after {count}" for count in squares)
    lines = [
        f"| country | `keep` | `{MODEL}` | {first} squares | {' | '.join(others)} |",
        f"|---|---|---|{'---|' * len(squares)}",
    ]
    for country, found in told.items():
        for name, figures in found.items():
            if name.startswith("keep "):
                shown = " | ".join(f"{100 * each['iou']:.1f}" for each in figures)
                lines.append(f"| {country.removeprefix('country ')} | {name.removeprefix('keep ')} | {shown} |")
    return "\n".join(lines)


def main() -> None:
    """Play the rounds in every country, print the figures and write them as JSON and, if asked, on a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--write", type=Path, help="page whose section is written anew, such as docs/labels.md")
    parser.add_argument("--country", nargs="+", type=int, default=[21, 22], help="seeds of countries")
    parser.add_argument("--keep", nargs="+", type=float, default=[0.0, 2.0], help="weights of keeping the map")
    parser.add_argument("--steps", type=int, default=100, help="training steps of a round")
    parser.add_argument("--crop-px", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    told: dict[str, Any] = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for seed in options.country:
        found = told.setdefault(f"country {seed}", {})
        left = [keep for keep in options.keep if f"keep {keep:g}" not in found]
        if not left:
            continue
        land = Land(Country(seed))
        batches = chosen(land)
        shares = [round(float(np.mean([(land.fields(w) > 0).mean() for w in batch])), 3) for batch in batches]
        found["cropland in the squares"] = shares
        for keep in left:
            learning = Learning(steps=options.steps, crop_px=options.crop_px, threads=options.threads, keep=keep)
            with tempfile.TemporaryDirectory() as scratch, fixed_threads(options.threads):
                found[f"keep {keep:g}"] = rounds(land, batches, learning, Path(scratch))
            options.out.write_text(json.dumps(told, indent=1) + "\n")
            print(f"country {seed}, keep {keep:g}: {found[f'keep {keep:g}']}", flush=True)
    if options.write is not None:
        write_section(options.write, "forgetting", section(told))


if __name__ == "__main__":
    main()
