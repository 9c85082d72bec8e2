"""``croplayer label simulate``: whether choosing tasks pays, tried out on land whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.commands.model_options import PATH

if TYPE_CHECKING:
    import pandas as pd

    from croplayer.active.simulation import Pool, Trial

COUNTRY, SCENES = "synthetic country", "scenes"
SCENE_PIXEL_M = 4.0
STAND_IN = "The learner is a stand-in for training the network: boosted trees on fixed features of 8 px cells, fitted anew for each step."


@click.command("simulate")
@click.option("-o", "--out", required=True, type=PATH, help="Folder of the tables and of the figure.")
@click.option("--images", type=PATH, help="Folder of labelled RGB rasters, for a trial on them too.")
@click.option("--polygons", type=PATH, help="Field polygons drawn on the rasters.")
@click.option("--image-column", default="image", show_default=True, help="Column that names the raster.")
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True, help="Number of repetitions.")
@click.option("--pool", type=click.IntRange(20), default=240, show_default=True, help="Windows that can be labelled.")
@click.option("--judges", type=click.IntRange(5), default=120, show_default=True, help="Windows that judge.")
@click.option("--start", type=click.IntRange(1), default=8, show_default=True, help="Windows labelled first.")
@click.option(
    "--batch", type=click.IntRange(1), default=8, show_default=True, help="Windows labelled between two fits."
)
@click.option(
    "--missed", type=click.FloatRange(0, 1), default=0.03, show_default=True, help="Share of fields not drawn."
)
@click.option(
    "--invented", type=click.FloatRange(0, 1), default=0.03, show_default=True, help="Wrong polygons for each field."
)
@click.option(
    "--minutes-per-polygon",
    type=click.FloatRange(0),
    default=0.1,
    show_default=True,
    help="Labelling time of a polygon.",
)
@click.option(
    "--minutes-per-window",
    type=click.FloatRange(0),
    default=1.5,
    show_default=True,
    help="Labelling time of a square, beside its polygons.",
)
@click.option("--encoder", default="default", show_default=True, help="Model whose encoder sees the synthetic country.")
@click.option("--scene-encoder", default="landscape", show_default=True, help="Model whose encoder sees the rasters.")
def simulate(out: Path, images: Path | None, polygons: Path | None, image_column: str, **options: Any) -> None:
    """Compare tasks chosen by scores with tasks at random and on a grid, on land whose truth is known.

    The truth plays the labeller, who makes mistakes and takes time. Each repetition has a synthetic country of its own; with
    --images and --polygons there is a second trial on labelled scenes, which start with 4 of them and add one at a time. The
    encoders have seen neither: `default` learned on the scenes, `landscape` on the synthetic country. Writes curves.parquet,
    savings.csv and curves.png; the same options give the same tables. Takes minutes for each repetition.
    """
    from croplayer.active.simulated_labeller import Labeller
    from croplayer.active.simulation import Trial
    from croplayer.models.bundles.kinds import load_segmenter
    from pipelines.engine.models import open_scenes
    from pipelines.simulated_pools import country_pools, scene_pools

    if (images is None) != (polygons is None):
        raise ValueError("give both --images and --polygons, or neither of them")
    labeller = Labeller(
        missed=options["missed"],
        invented=options["invented"],
        minutes_per_polygon=options["minutes_per_polygon"],
        minutes_per_window=options["minutes_per_window"],
    )
    pool, judges, seeds = options["pool"], options["judges"], options["seeds"]
    network = load_segmenter(options["encoder"], device="cpu")
    most = max(options["start"], pool // 2)
    trial = Trial(options["start"], options["batch"], most)
    trials = {
        COUNTRY: _tried(
            COUNTRY,
            lambda seed, told: country_pools(network, labeller, seed, pool, judges, told),
            trial,
            seeds,
            pool + judges,
        )
    }
    if images is not None and polygons is not None:
        scenes = open_scenes(images, polygons, image_column)
        other = load_segmenter(options["scene_encoder"], device="cpu")
        count = len(scenes)
        few = Trial(min(4, count - 2), 1, count)
        trials[SCENES] = _tried(
            SCENES,
            lambda seed, told: scene_pools(other, labeller, scenes, SCENE_PIXEL_M, seed, told),
            few,
            seeds,
            count,
        )
    _write(out, trials)


def _tried(
    name: str,
    pools: Callable[[int, Callable[[], object]], tuple[Pool, Pool]],
    trial: Trial,
    seeds: int,
    windows: int,
) -> pd.DataFrame:
    """The curves of all strategies and seeds, with the accuracy of everything labelled in each row."""
    import pandas as pd
    from tqdm import tqdm

    from croplayer.active.simulation import Strategy, everything_labelled, learning_curve

    found = []
    for seed in range(1, seeds + 1):
        with tqdm(total=windows + len(Strategy), desc=f"{name}, seed {seed}", disable=None) as bar:
            pool, judges = pools(seed, partial(bar.update, 1))
            iou, worst = everything_labelled(pool, judges, seed)
            for strategy in Strategy:
                curve = learning_curve(pool, judges, strategy, trial, seed)
                found.append(
                    curve.assign(trial=name, all_iou=iou, all_worst=worst, all_minutes=float(pool.minutes.sum()))
                )
                bar.update()
    return pd.concat(found, ignore_index=True)


def _write(out: Path, trials: dict[str, pd.DataFrame]) -> None:
    import pandas as pd

    from croplayer.active.label_savings import ENOUGH, needed, savings
    from croplayer.files.tables import write_csv, write_parquet
    from croplayer.report.label_curves import label_curve_figure
    from croplayer.report.style import png_bytes
    from stores.durable import write_durable

    tables, panels = [], {}
    click.echo(STAND_IN)
    for name, curves in trials.items():
        everything = curves.groupby("seed").all_iou.first()
        panels[name] = (curves, float(everything.mean()))
        click.echo(f"{name}: IoU {everything.mean():.3f} with everything labelled")
        for unit in ("labelled", "minutes"):
            for accuracy in ("iou", "worst"):
                best = curves.groupby("seed")[f"all_{accuracy}"].first().to_dict()
                table = savings(needed(curves, best, unit, accuracy))
                tables.append(table.assign(trial=name, unit=unit, accuracy=accuracy))
        for row in tables[-4].itertuples():
            click.echo(
                f"  {row.strategy}: {row.mean:.1f} windows ({row.low:.1f} to {row.high:.1f}) to {ENOUGH:.0%} of it, reached in "
                f"{row.reached} of {row.seeds} repetitions; {row.ratio:.2f} ({row.ratio_low:.2f} to {row.ratio_high:.2f}) times random"
            )
    write_parquet(out / "curves.parquet", pd.concat(trials.values(), ignore_index=True))
    write_csv(out / "savings.csv", pd.concat(tables, ignore_index=True))
    write_durable(out / "curves.png", png_bytes(label_curve_figure(panels)))
    click.echo(f"written to {out}: curves.parquet, savings.csv, curves.png")
