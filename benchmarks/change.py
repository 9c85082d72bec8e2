"""How well changes between two years are told from noise, on croplayer's SYNTHETIC country, whose truth is known.

    python -m benchmarks.change --keep mapped -o change.json --page docs/change.md --picture docs/change.jpg

The land of the later year is `croplayer.landscape` after some years: towns and villages grew, fields were merged, orchards
planted and grubbed up, grassland ploughed. At each place the earlier and the later land are mapped by the same model from
two sources on different days, and the later imagery of the second source is shifted by 3 px in every other row of blocks. Beside it are mapped: the earlier land
again from other imagery, where nothing changed. Everything is compared with the plain difference of the two maps.

With ``--network`` the same imagery is also mapped by a network that was taught on such land, in another synthetic country, as
`benchmarks.synthetic_fields --keep` writes one: what the rules do for better maps.

Two more maps of each place are drawn from the truth, with margins off by a pixel and specks, the later one shifted by 3 px: what
the rules do for maps that err in that way alone.

Other rules are tried on the same maps: a core that the larger source alone decides on, and fields (`benchmarks.change_fields`).

Then samples are drawn from the strata of the mapped change, labelled from the truth, and the areas of gain and loss are
estimated with their intervals: how many of the intervals hold the truth?
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage

from benchmarks.change_fields import by_fields, found_fields, true_fields
from benchmarks.change_page import (
    DRAWN,
    FOUND,
    INCLUDED,
    LARGER,
    ONLY_IMAGERY,
    OURS,
    PLAIN,
    SHIFTS,
    TAUGHT,
    TRUE,
    section,
)
from benchmarks.written import write_section
from croplayer.changes.evidence import Seen, differences, plain_differences
from croplayer.changes.population import CHANGE_GROUND
from croplayer.changes.registration import Displacement, displacement
from croplayer.changes.rules import ChangeRules
from croplayer.changes.sieve import Sieved, sieved
from croplayer.evaluation.class_estimates import estimate_classes
from croplayer.evaluation.sample_files import ReviewedSample, SampleDesign
from croplayer.landscape.classes import IS_CROPLAND
from croplayer.landscape.country import Country
from croplayer.landscape.truth import block_truth
from croplayer.models.bundles.catalogue import find_bundle
from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.networks.cells import blended_halo_px
from croplayer.models.networks.inference import mask_from_probability, predict_layers
from croplayer.models.networks.manifest import TRAINING_SCENES, bundle_digest, read_manifest
from stores.grid import BlockGrid, Bounds, PixelWindow
from stores.legends import PROBABILITY_SCALE, Change, CoverageType

SEED, YEARS = 5, 8
"""The seed is not one of a country that the models were trained on."""
SOURCES = ("aster", "borealis")
GRID = BlockGrid()
BOUNDS = Bounds(113.5, 33.5, 115.5, 35.0)
CELL_PX, BLEND_PX = 512, 32
SHIFT_PX = 3
LEAST_CHANGED = 0.015
"""Share of a place that truly became cropland, or no longer is."""
KINDS = {"gain": Change.GAIN, "loss": Change.LOSS}


class Spot(NamedTuple):
    """A place before anything is mapped."""

    window: PixelWindow
    name: str
    """Of its block"""
    truth: np.ndarray
    """(n, n) uint8 `Change`"""


class Place(NamedTuple):
    """What was found at a place."""

    window: PixelWindow
    truth: np.ndarray
    """(n, n) uint8 `Change`"""
    ours: Sieved
    moved: dict[str, Displacement]
    """By source"""
    mapped: dict[str, np.ndarray]
    """(n, n) uint8 `Change` by the rule, of the two maps"""
    drawn: dict[str, np.ndarray]
    """The same of two maps that were drawn from the truth and err at margins and in specks alone"""
    only_imagery: dict[str, float]
    """Share of the place that a rule calls a change between two maps of the earlier land, by the rule"""
    pictures: dict[str, np.ndarray]


class Edition(NamedTuple):
    """Imagery and scores of a place by source."""

    rgb: dict[str, np.ndarray]
    score: dict[str, np.ndarray]
    """(n, n) uint8, 0..250"""

    def seen(self, moves: dict[str, tuple[int, int]] | None = None) -> Seen:
        """The map that merges the sources, each brought back by how far it lies off."""
        layers = [_back(score, (moves or {}).get(name, (0, 0))) for name, score in self.score.items()]
        return Seen(mask_from_probability(np.maximum(*layers)), np.stack(layers))


def main() -> None:
    """Measure, print and write the figures."""
    arguments = _arguments()
    rules = ChangeRules()
    land = Country(SEED), Country(SEED, scenes=1), Country(SEED, years=YEARS, scenes=1)
    places: list[Place] = []
    of_taught: list[Place] = []
    if arguments.network:
        _check_pixel(arguments.network)
    for spot in _spots(arguments.places, arguments.px, land):
        places.append(_compared(spot, _editions(spot, land, find_bundle("landscape"), arguments.keep), land, rules))
        if arguments.network:
            of_taught.append(_compared(spot, _editions(spot, land, arguments.network, arguments.keep), land, rules))
        print(f"{len(places)} of {arguments.places} places", flush=True)
        found = _figures(places, rules, arguments.samples) | {INCLUDED: _learned(find_bundle("landscape"))}
        if of_taught:
            found[TAUGHT] = _learned(arguments.network) | _scores(of_taught, rules) | _unchanged(of_taught)
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.picture:
        _draw(places, arguments.picture)
    if arguments.page:
        write_section(arguments.page, "change", section(found))


def _spots(count: int, px: int, land: tuple[Country, ...]) -> Iterator[Spot]:
    """Places in the middle of blocks whose imagery shows farmland on all days."""
    first, again, later = land
    wanted = {Change.GAIN: count // 2, Change.LOSS: count - count // 2}
    blocks = list(GRID.blocks_in(BOUNDS))
    for block in (blocks[i] for i in np.random.default_rng(SEED).permutation(len(blocks))):
        if not any(wanted.values()):
            return
        days = [(c, s) for c in (first, again) for s in SOURCES]
        if any(block_truth(c, s, block).coverage_type is not CoverageType.PLANTING for c, s in days):
            continue
        whole = GRID.window(block)
        side = (whole.height - px) // 2
        window = PixelWindow(whole.row + side, whole.col + side, px, px)
        truth = _truth(first, later, window)
        kind = max(wanted, key=lambda k: float((truth == k).mean()))
        if not wanted[kind] or (truth == kind).mean() < LEAST_CHANGED:
            continue
        wanted[kind] -= 1
        yield Spot(window, block.name, truth)


def _editions(spot: Spot, land: tuple[Country, ...], network: Path, keep: Path) -> dict[str, Edition]:
    """What a network says of a place in each edition; it is kept in a folder, by the network's content."""
    first, again, later = land
    shift = _shift_of(spot.window)
    kept = keep / bundle_digest(network)[:12] / f"{spot.name}_{spot.window.height}_{shift}.npz"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        editions = {
            "before": _mapped(first, spot.window, 0, network),
            "after": _mapped(later, spot.window, shift, network),
            "again": _mapped(again, spot.window, 0, network),
        }
        arrays = {
            f"{e}/{k}/{s}": a for e, ed in editions.items() for k in Edition._fields for s, a in getattr(ed, k).items()
        }
        np.savez_compressed(kept, **arrays)
    with np.load(kept) as stored:
        return {
            e: Edition(*({s: stored[f"{e}/{k}/{s}"] for s in SOURCES} for k in Edition._fields))
            for e in ("before", "after", "again")
        }


def _check_pixel(network: Path) -> None:
    low, high = read_manifest(network).ground_sample_distance_m
    edge = _pixel_m()
    if not low <= edge <= high:
        raise ValueError(
            f"{network} was trained at {low} to {high} m a pixel; the places have {edge:.2f} m, so give another"
        )


def _pixel_m() -> float:
    """Edge of a pixel in the middle of the bounds."""
    row = GRID.window(next(iter(GRID.blocks_in(BOUNDS)))).row
    return float(np.sqrt(GRID.pixel_area_m2(row, 1)[0]))


def _learned(network: Path) -> dict[str, Any]:
    """What a network learned from."""
    manifest = read_manifest(network)
    return {
        "architecture": manifest.architecture,
        "steps": manifest.recipe["steps"],
        "scenes": len(manifest.metrics[TRAINING_SCENES]),
        "pixel_m": manifest.ground_sample_distance_m,
    }


def _shift_of(window: PixelWindow) -> int:
    """Pixels eastwards by which the later imagery of the second source lies off: all in every other row of blocks."""
    return SHIFT_PX if window.row // GRID.block_px % 2 else 0


def _truth(first: Country, later: Country, window: PixelWindow) -> np.ndarray:
    crop = [(IS_CROPLAND[c.land_cover(*_axes(window, 0))] == 1).astype(np.uint8) for c in (first, later)]
    return plain_differences(*crop)


def _compared(spot: Spot, editions: dict[str, Edition], land: tuple[Country, ...], rules: ChangeRules) -> Place:
    window, _, truth = spot
    first, again, later = land
    before, after = editions["before"], editions["after"]
    valid = np.ones((window.height, window.width), bool)
    moved = {s: displacement(before.rgb[s], valid, after.rgb[s], valid) for s in SOURCES}
    moves = {s: d.whole_px for s, d in moved.items()}
    earlier = Layers(before.seen(), before.rgb[SOURCES[0]], first)
    same_land = Layers(editions["again"].seen(), editions["again"].rgb[SOURCES[0]], again)
    then = Layers(after.seen(moves), _back(after.rgb[SOURCES[0]], moves[SOURCES[0]]), later)
    crop = [np.isin(truth, kinds) for kinds in ((1, 3), (1, 2))]
    drawn = [_drawn(c, seed, by) for c, seed, by in zip(crop, (1, 2), (0, SHIFT_PX), strict=True)]
    back = Seen(*(_back(layer, (0, SHIFT_PX), (-2, -1)) for layer in drawn[1]))
    plain = [(before.seen().flags, after.seen().flags), [d.flags for d in drawn]]
    mapped, of_drawn = (
        {PLAIN: plain_differences(*flags)} | _by_rule(a, b, window, rules)
        for flags, a, b in zip(
            plain, (earlier, earlier._replace(seen=drawn[0])), (then, then._replace(seen=back)), strict=True
        )
    )
    nothing = {PLAIN: plain_differences(earlier.seen.flags, same_land.seen.flags)}
    nothing |= _by_rule(earlier, same_land, window, rules)
    return Place(
        window, truth, _decided(earlier.seen, then.seen, window, rules), moved, mapped, of_drawn,
        {name: float(np.isin(c, list(KINDS.values())).mean()) for name, c in nothing.items()},
        {"before": before.rgb[SOURCES[0]], "after": after.rgb[SOURCES[0]]},
    )  # fmt: skip


class Layers(NamedTuple):
    """What the rules are told of a map."""

    seen: Seen
    rgb: np.ndarray
    """(n, n, 3) uint8 imagery of the first source"""
    land: Country
    """Whose parcels are the true ones"""


def _by_rule(before: Layers, after: Layers, window: PixelWindow, rules: ChangeRules) -> dict[str, np.ndarray]:
    """The changes of a window, (n, n) uint8 `Change`, by rule."""
    change = _decided(before.seen, after.seen, window, rules).change
    larger = [Seen(side.seen.flags, side.seen.scores.max(axis=0)[None]) for side in (before, after)]
    out = {OURS: change, LARGER: _decided(larger[0], larger[1], window, rules).change}
    plain = plain_differences(before.seen.flags, after.seen.flags)
    axes = _axes(window, 0)
    for which, fields in (
        (FOUND, [found_fields(side.seen, side.rgb, window, GRID) for side in (before, after)]),
        (TRUE, [true_fields(side.land, side.seen, *axes) for side in (before, after)]),
    ):
        out |= {f"{rule}; {which}": found for rule, found in by_fields(change, plain, fields[0], fields[1]).items()}
    return out


def _back(layer: np.ndarray, move: tuple[int, int], axes: tuple[int, int] = (0, 1)) -> np.ndarray:
    """A layer brought back by how far it lies off southwards and eastwards, which are its ``axes``."""
    return np.roll(layer, [-n for n in move], axes)


def _drawn(crop: np.ndarray, seed: int, shift: int) -> Seen:
    """A map of the true cropland that errs as careful mappers do, shifted eastwards.

    Margins are off by a pixel (standard deviation), probabilities change over three pixels there, and one pixel in 300 lies in
    a speck of the wrong class.
    """
    rng = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(rng.standard_normal(crop.shape), 12) for _ in range(2)]
    places = [grid + f / f.std() for grid, f in zip(np.indices(crop.shape), fields, strict=True)]
    score = ndimage.gaussian_filter(ndimage.map_coordinates(crop.astype(float), places, order=1, mode="nearest"), 1)
    rough = ndimage.gaussian_filter(rng.standard_normal(crop.shape), 2)
    score = np.where(rough > np.quantile(rough, 1 - 1 / 300), 1 - score, score)
    score = np.roll(np.rint(PROBABILITY_SCALE * np.clip(score, 0, 1)).astype(np.uint8), shift, 1)
    return Seen(mask_from_probability(score), score[None])


def _axes(window: PixelWindow, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes of a window's pixels; imagery that is shifted shows ground further west."""
    return GRID.longitudes(window.col - shift, window.width), GRID.latitudes(window.row, window.height)


def _mapped(country: Country, window: PixelWindow, shift: int, folder: Path) -> Edition:
    """The imagery of a window, and what a network says of it; the shift is that of the second source."""
    halo = blended_halo_px(CELL_PX, BLEND_PX)
    network = load_segmenter(str(folder), bundle_digest(folder), "torch")
    inner = (slice(halo, -halo), slice(halo, -halo))
    found = Edition({}, {})
    for source in SOURCES:
        rgb, valid = country.render(source, *_axes(window.grown(halo), shift if source == SOURCES[1] else 0))
        score = predict_layers(network, rgb, valid, cell_px=CELL_PX, halo_px=halo, batch_cells=1, blend_px=BLEND_PX)[0]
        found.rgb[source] = rgb[inner]
        found.score[source] = np.where(score <= PROBABILITY_SCALE, score, 0).astype(np.uint8)
    return found


def _decided(before: Seen, after: Seen, window: PixelWindow, rules: ChangeRules) -> Sieved:
    by = rules.margins(window, GRID).total
    around = np.pad(
        differences(before, after, rules.margin, rules.weak_margin), by, constant_values=int(Change.NEVER_COMPARED)
    )
    return sieved(around, window.grown(by), window, GRID, rules)


def _scores(places: list[Place], rules: ChangeRules) -> dict[str, dict[str, float]]:
    """IoU of gain and of loss, against the truth as it is, and against what of it is wide and large enough."""
    out: dict[str, dict[str, float]] = {}
    for name, kind in KINDS.items():
        whole = [p.truth == kind for p in places]
        large = [_sieved_truth(p, rules) == kind for p in places]
        maps_of = {
            f"{what}{of}": [getattr(p, field)[what] for p in places]
            for field, of in (("mapped", ""), ("drawn", DRAWN))
            for what in places[0].mapped
        }
        for what, maps in maps_of.items():
            for against, truths in (("all", whole), ("mappable", large)):
                both = sum(int((t & (m == kind)).sum()) for t, m in zip(truths, maps, strict=True))
                either = sum(int((t | (m == kind)).sum()) for t, m in zip(truths, maps, strict=True))
                out.setdefault(f"{name} iou, {against}", {})[what] = round(both / either, 3) if either else float("nan")
    return out


def _sieved_truth(place: Place, rules: ChangeRules) -> np.ndarray:
    by = rules.margins(place.window, GRID).total
    around = np.pad(place.truth, by, constant_values=int(Change.NEVER_COMPARED))
    return sieved(around, place.window.grown(by), place.window, GRID, rules).change


def _figures(places: list[Place], rules: ChangeRules, samples: int) -> dict[str, Any]:
    moved = {s: [[p.moved[s].cols, p.moved[s].rows, round(p.moved[s].agreement, 2)] for p in places] for s in SOURCES}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "land": "synthetic",
        "places": len(places),
        "px": places[0].window.height,
        "pixel_m": round(_pixel_m(), 2),
        "years": YEARS,
        "changed share": {n: round(float(np.mean([p.truth == k for p in places])), 4) for n, k in KINDS.items()},
        **_scores(places, rules),
        **_unchanged(places),
        SHIFTS: moved,
        "shifted": [_shift_of(p.window) for p in places],
        "intervals": _intervals(places, samples),
    }


def _unchanged(places: list[Place]) -> dict[str, dict[str, float]]:
    """The share of the land that each rule calls a change where only the imagery is another."""
    shares = [p.only_imagery for p in places]
    return {ONLY_IMAGERY: {name: round(float(np.mean([s[name] for s in shares])), 5) for name in shares[0]}}


def _intervals(places: list[Place], samples: int) -> dict[str, Any]:
    """How many of the intervals from some samples hold the true area."""
    kind = np.concatenate([np.where(p.ours.near == 1, p.ours.change + 4, p.ours.change).ravel() for p in places])
    truth = np.concatenate([p.truth.ravel() for p in places])
    stratum = np.array(CHANGE_GROUND.stratum_of)[kind]
    members = [np.flatnonzero(stratum == s) for s in range(len(CHANGE_GROUND.strata))]
    size = np.array([200, 200, 100, 100, 150])
    km2 = np.array([len(m) for m in members], float)
    mapped = np.array(CHANGE_GROUND.class_of)[kind]
    held = dict.fromkeys(CHANGE_GROUND.classes, 0)
    widths: dict[str, list[float]] = {name: [] for name in held}
    for seed in range(samples):
        rng = np.random.default_rng(seed)
        drawn = [rng.choice(m, n) for m, n in zip(members, size, strict=True) if len(m)]
        at = np.concatenate(drawn)
        points = pd.DataFrame({"unit": "", "stratum": stratum[at], "mapped": mapped[at], "label": truth[at]})
        areas = np.bincount(mapped, minlength=4)[None].astype(float)
        design = SampleDesign(
            "stratified", seed, None, CHANGE_GROUND.strata, tuple(km2), ("",), ("",), areas, 0.0, points,
            CHANGE_GROUND.classes,
        )  # fmt: skip
        for row in estimate_classes(ReviewedSample(design, points, "")).areas.itertuples():
            true = float((truth == CHANGE_GROUND.classes.index(row.change)).sum())
            held[row.change] += bool(row.low_km2 <= true <= row.high_km2)
            if true:
                widths[row.change].append((row.high_km2 - row.low_km2) / 2 / true)
    return {
        name: {
            "hold the truth": held[name],
            "samples": samples,
            "points": int(size.sum()),
            "half width, share": round(float(np.mean(widths[name])), 3) if widths[name] else None,
        }
        for name in held
    }


def _draw(places: list[Place], path: Path) -> None:
    """Imagery, truth, plain difference and change of the first places."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from stores.legends import CHANGE_COLOURS

    colours = np.array([[int(CHANGE_COLOURS[Change(k)][i : i + 2], 16) for i in (1, 3, 5)] for k in range(4)], np.uint8)
    rows = places[:4]
    figure, axes = plt.subplots(len(rows), 5, figsize=(15, 3.2 * len(rows)), squeeze=False, layout="constrained")
    for line, place in zip(axes, rows, strict=True):
        maps = {"true change": place.truth, "plain difference": place.mapped[PLAIN], "change": place.ours.change}
        pictures = place.pictures | {name: colours[np.minimum(m, 3)] for name, m in maps.items()}
        for ax, (name, picture) in zip(line, pictures.items(), strict=True):
            ax.imshow(picture[::2, ::2])
            ax.set_title(name, fontsize=9)
            ax.axis("off")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=8)
    parser.add_argument("--px", type=int, default=512, help="pixels along the side of a place")
    parser.add_argument("--keep", type=Path, required=True, help="folder for what was mapped, which is used again")
    parser.add_argument("--network", type=Path, help="bundle of a network taught on such land in another country")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="page with the marks between which the figures are written")
    parser.add_argument("--picture", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
