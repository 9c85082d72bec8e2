"""On which land a round keeps the map of the model before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from shared.labelled_rounds import copied

from croplayer.active.held_out import block_of, is_held_out
from croplayer.active.project import LabelProject
from croplayer.active.reading import read_tasks
from croplayer.active.rounds.folder import round_folder
from croplayer.active.rounds.keeping import pictures_by_unit, unlabelled_pictures
from croplayer.active.rounds.making import RunSide, make_round
from croplayer.active.tasks import window_of_task
from croplayer.active.windows import beside_any, places
from croplayer.models.networks.manifest import read_manifest
from stores.columns import COVERAGE_TYPE, DECIDES, IMAGERY_VALID, RGB, map_column
from stores.grid import PixelWindow
from stores.legends import CoverageType, Integration

pytestmark = pytest.mark.usefixtures("one_thread")


def windows(project: LabelProject, names: tuple[str, ...]) -> list[PixelWindow]:
    return [window_of_task(name.partition(".")[0], project.grid) for name in names]


def test_other_land_is_neither_held_out_nor_labelled_nor_beside_a_label(labelled: LabelProject, side: RunSide) -> None:
    done = [task.window for task in read_tasks(labelled)]
    found = unlabelled_pictures(labelled, side.numbers, done, 10_000, 3)
    shown = windows(labelled, found.names)
    assert len(found) > 20 and len(set(found.names)) == len(found)
    seed, share = labelled.settings.seed, labelled.settings.held_out
    held = {block.name for block in side.numbers.names if is_held_out(block, seed, share)}
    assert held and not held & {block_of(w, labelled.grid).name for w in shown}
    assert not beside_any(places(shown), places(done)).any()
    for scene, arrays in zip(found.scenes[:4], found.read_all()[:4], strict=True):
        assert not arrays.labelled.any() and not arrays.parcels.any() and arrays.valid.any()
        inside = window_of_task(scene.name.partition(".")[0], labelled.grid)
        cube, source = side.numbers.cube, scene.name.partition(".")[2]
        colours = {
            tuple(colour)
            for colour in cube.read_window(RGB, inside, source)[cube.read_window(IMAGERY_VALID, inside, source) > 0]
        }
        assert colours <= {tuple(colour) for colour in arrays.rgb[arrays.valid]}


def test_pictures_are_drawn_by_the_seed_and_in_turn_from_every_unit(labelled: LabelProject, side: RunSide) -> None:
    one, again, other = (unlabelled_pictures(labelled, side.numbers, [], 12, seed) for seed in (1, 1, 2))
    assert one.names == again.names and one.digest == again.digest and one.names != other.names
    assert len(one) == 12 and one.names == tuple(sorted(one.names))
    by_unit = pictures_by_unit(one, side.numbers)
    units = set(side.numbers.units_of([labelled.grid.window(b) for b in side.numbers.names]))
    assert sum(by_unit.values()) == 12 and len(by_unit) > 1 and set(by_unit) <= units
    assert max(by_unit.values()) - min(by_unit.values()) <= 2 * len(side.numbers.cube.sources)
    assert len(unlabelled_pictures(labelled, side.numbers, [], 0, 1)) == 0


def test_imagery_that_the_map_leaves_out_is_not_shown(labelled: LabelProject, side: RunSide) -> None:
    blocks = side.numbers.blocks.copy()
    first, other = side.numbers.cube.sources
    blocks[map_column(COVERAGE_TYPE, first)] = CoverageType.CLOUDY.label
    blocks[map_column(COVERAGE_TYPE, other)] = CoverageType.PLANTING.label
    blocks[list(DECIDES)] = int(Integration.ONLY_B), False
    found = unlabelled_pictures(labelled, replace(side.numbers, blocks=blocks), [], 8, 1)
    assert len(found) == 8 and all(name.endswith(f".{other}") for name in found.names)
    blocks[map_column(COVERAGE_TYPE, other)] = CoverageType.SNOW_ICE.label
    blocks[list(DECIDES)] = int(Integration.NEITHER), True
    assert len(unlabelled_pictures(labelled, replace(side.numbers, blocks=blocks), [], 8, 1)) == 0


def test_the_record_says_what_was_kept_and_the_settings_turn_it_off(
    labelled: LabelProject, side: RunSide, model: Path, tmp_path: Path
) -> None:
    made = {}
    for keep, count in ((1.0, 6), (0.0, 0)):
        project = copied(labelled, tmp_path / f"keep {keep}")
        settings = project.folder / "rounds.toml"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(
            text.replace("[learning]\n", f"[learning]\nkeep = {keep}\nkept_pictures = 6\n"), encoding="utf-8"
        )
        make_round(project, side, model)
        record = pd.read_parquet(project.folder / "rounds.parquet")
        assert record.kept_pictures.sum() == count
        made[keep] = round_folder(project, 1).model
        assert read_manifest(made[keep]).recipe.get("keep", 0.0) == keep
    weights = [(folder / "model.safetensors").read_bytes() for folder in made.values()]
    assert weights[0] != weights[1]
    taught = [set(read_manifest(folder).metrics["training_scenes"]) for folder in made.values()]
    assert taught[0] == taught[1]
    ids = {task.id for task in read_tasks(labelled)}
    assert {name.partition(".")[0] for name in taught[0]} <= ids
