"""Does integration pay with few reviews? ``python -m benchmarks.integration``.

Countries of the SYNTHETIC landscape whose true cover is known, each of another seed, are mapped by ``croplayer run`` with the
included networks. A share of the blocks is reviewed, as the truth says; every block is decided from these reviews, or by rules
where they show no better classifier. Each map is then held against the truth where all of them know the ground.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.machine import processor
from benchmarks.written import write_section
from croplayer.evaluation.clusters import bootstrap_interval
from pipelines.recipe_files import RECIPES
from stores.columns import KNOWN, agreement_columns, known_share_column, map_column, mapped_column

BLOCK_DEG = 0.05
SOURCES = ("aster", "borealis")
MERGED, OWN, TRUTH = "merge_both", "croplayer", "truth"
MAPS = (*SOURCES, MERGED, OWN)
WITHIN = 0.1
LEAST_KNOWN = 0.9
"""Share of a province's land that a map knows, at least, for its area to be held against the true one."""


@dataclass(frozen=True)
class Country:
    """What was found in a country."""

    seed: int
    blocks: int
    reviewed: int
    method: str
    compared: int
    """Blocks in which all maps know all of the ground."""
    iou: dict[str, float]
    difference: float
    """IoU of the integrated map minus that of the better source."""
    low: float
    high: float
    provinces: int
    both_know: int
    """Provinces of which the integrated map and the better source know nearly all land."""
    within: dict[str, int]
    """Those of them that are within 10 % of their true area, of the integrated map and of the better source."""
    within_of_all: dict[str, int]
    """The same of all provinces, when the land that a map knows stands for the rest of the province."""

    @property
    def better(self) -> str:
        """The source with the greater IoU."""
        return max(SOURCES, key=self.iou.__getitem__)


def recipe_of(seed: int, bbox: Sequence[float], share: float) -> str:
    """The included recipe of the synthetic country, of another place, without other maps, with fewer reviews."""
    text = (RECIPES / "synthetic_country.toml").read_text(encoding="utf-8")
    text = re.sub(r"\[\[products\]\]\n(?:.+\n)*\n?", "", text)
    text = re.sub(r"(?m)^bounds = .*$", f"bounds = {list(bbox)}", text)
    text = re.sub(r"(?m)^sample_deg = .*$", f"sample_deg = {BLOCK_DEG * round(share**-0.5):.2f}", text)
    return re.sub(r'(?m)^name = "synthetic_country"$', f'name = "country_{seed}"', text)


def country(seed: int, bbox: Sequence[float], share: float, work: Path) -> Country:
    """Make a country, map it, and hold its maps against the truth."""
    out, recipe = work / f"country_{seed}", work / f"country_{seed}.toml"
    words = ",".join(map(str, bbox))
    made = out / "country"
    command = [sys.executable, "-m", "pipelines"]
    if not (made / "provinces.gpkg").exists():
        subprocess.run(
            [*command, "landscape", "make", made, "--seed", str(seed), "--bbox", words, "--training-scenes", "0"],
            check=True,
        )
    recipe.write_text(recipe_of(seed, bbox, share), encoding="utf-8")
    subprocess.run([*command, "run", recipe, "-o", out, "--until", "aggregate"], check=True)
    return found(seed, out)


def found(seed: int, run: Path) -> Country:
    """The figures of a run."""
    blocks, units = pd.read_parquet(run / "blocks.parquet"), pd.read_csv(run / "tables/units_1.csv")
    whole = blocks[np.all([blocks[map_column(KNOWN, name)] == 1 for name in MAPS], axis=0)]
    counts = {name: whole[list(agreement_columns(name, TRUTH)[:3])].to_numpy(np.float64) for name in MAPS}
    iou = {name: _iou(counts[name].sum(axis=0)) for name in MAPS}
    better = max(SOURCES, key=iou.__getitem__)

    def difference(sums: Sequence[np.ndarray]) -> np.ndarray:
        return _iou(sums[0]) - _iou(sums[1])

    clusters = list(zip(counts[OWN], counts[better], strict=True))
    low, high = bootstrap_interval(clusters, difference)
    true, both = units[mapped_column(TRUTH)], (OWN, better)
    known = {name: units[known_share_column(name)] for name in both}
    known_well = np.all([share >= LEAST_KNOWN for share in known.values()], axis=0)
    off = {name: units[mapped_column(name)] / true - 1 for name in both}
    scaled = {name: units[mapped_column(name)] / known[name] / true - 1 for name in both}
    return Country(
        seed, len(blocks), len(pd.read_csv(run / "tables/reviews.csv")),
        str(pd.read_csv(run / "tables/integration_method.csv")["method"].iloc[0]), len(whole), iou,
        iou[OWN] - iou[better], float(low), float(high), len(units), int(known_well.sum()),
        {name: int((known_well & (off[name].abs() <= WITHIN)).sum()) for name in both},
        {name: int((scaled[name].abs() <= WITHIN).sum()) for name in both},
    )  # fmt: skip


def _iou(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., :3].sum(axis=-1)


def section(countries: Sequence[Country]) -> str:
    """The figures as a table for people."""
    each = [
        f"| {c.seed} | {c.reviewed} of {c.blocks} | {c.method.split(' (')[0].split(':')[0]} | "
        + " | ".join(f"{c.iou[name]:.3f}" for name in MAPS)
        + f" | {c.difference:+.3f} ({c.low:+.3f} to {c.high:+.3f}) | "
        + " | ".join(f"{c.within[name]} of {c.both_know}" for name in (c.better, OWN))
        + " | "
        + " | ".join(f"{c.within_of_all[name]} of {c.provinces}" for name in (c.better, OWN))
        + " |"
        for c in countries
    ]
    share = sum(c.reviewed for c in countries) / sum(c.blocks for c in countries)
    above, no_worse = sum(c.low > 0 for c in countries), sum(c.difference >= 0 for c in countries)
    know, provinces = sum(c.both_know for c in countries), sum(c.provinces for c in countries)
    source, own = sum(c.within[c.better] for c in countries), sum(c.within[OWN] for c in countries)
    source_of_all = sum(c.within_of_all[c.better] for c in countries)
    own_of_all = sum(c.within_of_all[OWN] for c in countries)
    return "\n".join(
        [
            f"Measured on {datetime.now(UTC):%Y-%m-%d} on {len(countries)} countries of other seeds than that above, with reviews of "
            f"{100 * share:.0f} % of the blocks ({processor()}). IoU with the truth in the blocks of which every map knows all "
            "ground; the difference is that to the better source, with its 95 % interval over blocks; provinces are those within "
            f"{100 * WITHIN:.0f} % of their true area, of those of which both maps know at least {100 * LEAST_KNOWN:.0f} %; and of all, when "
            "the land that a map knows stands for the rest of the province.",
            "",
            f"| seed | reviewed | decided by | {' | '.join(SOURCES)} | both merged | integrated | difference | provinces, better source | integrated | all provinces, better source | integrated |",
            "|" + "---|" * (8 + len(MAPS)),
            *each,
            "",
            f"The integrated map has at least the IoU of the better source in {no_worse} of {len(countries)} countries, and an interval "
            f"above 0 in {above}. Provinces within {100 * WITHIN:.0f} %, of the {know} that both know: {source} for the better source, {own} for the "
            f"integrated map; of all {provinces}: {source_of_all} and {own_of_all}.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13, 14, 15])
    parser.add_argument("--bbox", type=float, nargs=4, default=[114.8, 34.5, 115.4, 35.0])
    parser.add_argument("--share", type=float, default=0.02, help="share of the blocks that are reviewed")
    parser.add_argument("--work", type=Path, help="folder of the runs, which are kept; default a temporary one")
    parser.add_argument("--write", type=Path, help="page whose section is written anew, such as docs/evaluation.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        countries = [country(seed, arguments.bbox, arguments.share, work.absolute()) for seed in arguments.seeds]
    text = section(countries)
    print(text)
    if arguments.write:
        write_section(arguments.write, "integration", text)


if __name__ == "__main__":
    main()
