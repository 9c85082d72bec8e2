"""Later editions of a run: what is the same is carried over, the rest is done anew, and the first edition stays as it was."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from shared.commands import croplayer
from shared.edits import middle_tile
from shared.run_files import digests

from croplayer.cube.behind import cube_behind
from croplayer.cube.opening import open_cube
from stores.ledger import Ledger
from stores.run_folder import RunFolder


@pytest.fixture(scope="module")
def next_recipe(small_recipe: Path, country: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small recipe for a year later, with copies of the tiles of which one is of another day."""
    folder = tmp_path_factory.mktemp("next")
    shutil.copytree(country / "tiles", folder / "tiles")
    tile = middle_tile(folder)
    with Image.open(tile) as image:
        ImageOps.invert(image.convert("RGB")).save(tile, quality=90)
    text = small_recipe.read_text(encoding="utf-8").replace(f"{country}/tiles", f"{folder}/tiles")
    recipe = folder / "small.toml"
    recipe.write_text(text.replace('edition = "2020"', 'edition = "2021"'), encoding="utf-8")
    return recipe


@pytest.fixture(scope="module")
def both(finished_small_run: Path, next_recipe: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two editions; tests must leave it as it is."""
    out = tmp_path_factory.mktemp("both") / "run"
    shutil.copytree(finished_small_run, out)
    before = digests(out)
    done = croplayer("run", next_recipe, "-o", out, models=models)
    assert f"edition '2021' in {out}/editions/2021 begins with 4 blocks of edition '2020'" in done.stdout
    assert digests(out) == before
    return out


def test_an_edition_that_carries_blocks_over_equals_one_from_nothing(
    both: Path, next_recipe: Path, models: Path, tmp_path: Path
) -> None:
    croplayer("run", next_recipe, "-o", tmp_path / "alone", models=models)
    assert digests(both / "editions/2021") == digests(tmp_path / "alone")


def test_a_plan_tells_what_a_new_edition_would_do(
    finished_small_run: Path, next_recipe: Path, both: Path, models: Path
) -> None:
    before = digests(finished_small_run)
    told = croplayer("plan", next_recipe, "-o", finished_small_run, models=models).stdout
    assert f"{finished_small_run}/editions/2021, a new edition, which begins with the blocks of edition '2020'" in told
    assert "a comparison of the files of 4 of 4 blocks" in told
    assert re.search(r"not known before +4 of 4 blocks, whose files the run compares first", told)
    assert re.search(
        r"cost of the blocks +0\.0 to [\d.]+ s of \d workers together, 0\.0 % to 100\.0 % of all blocks", told
    )
    assert digests(finished_small_run) == before and not (finished_small_run / "editions").exists()
    status = croplayer("status", both, models=models).stdout
    assert status.count(": finished, since") == 2 and f"{both}/editions/2021: finished" in status


def test_a_plan_that_compares_tells_what_the_run_does(
    finished_small_run: Path, next_recipe: Path, both: Path, models: Path
) -> None:
    told = planned(next_recipe, finished_small_run, models, "--compare")
    held = {e: dict(blocks_of(RunFolder(both).of_edition(e), "mosaic")) for e in ("2020", "2021")}
    differing = sum(held["2020"][block] != held["2021"][block] for block in held["2020"])
    assert 0 < differing < 4 and "not known before" not in told
    assert told["done again (1)"] == f"{differing} of 4 blocks, because their imagery is another"
    beside = [line for name, line in told.items() if "because they lie beside such imagery" in str(line)]
    again = 4 if beside else differing
    assert told["carried over"].startswith(f"{4 - again} of 4 blocks, from edition '2020'")
    assert "carried blocks take none" in told["space of the update"]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("[segmentation]\n", "[segmentation]\nthreshold = 0.52\n", "the threshold changed from 0.5 to 0.52"),
        (
            "[[sources]]\n",
            f'[[sources]]\nplaceholders = ["{"0" * 64}"]\n',
            "the way of reading the imagery of aster changed",
        ),
        ("bounds = [114.0, 34.0, 114.1, 34.1]", "bounds = [114.0, 34.0, 114.15, 34.1]", "they are new in the region"),
    ],
)
def test_a_plan_tells_why_blocks_are_done_again(
    finished_small_run: Path, small_recipe: Path, models: Path, tmp_path: Path, old: str, new: str, why: str
) -> None:
    recipe = tmp_path / "small.toml"
    text = small_recipe.read_text(encoding="utf-8").replace('edition = "2020"', 'edition = "2021"')
    assert old in text
    recipe.write_text(text.replace(old, new, 1), encoding="utf-8")
    told = planned(recipe, finished_small_run, models)
    lines = [line for name, line in told.items() if name.startswith("done again") and f"because {why}" in str(line)]
    assert len(lines) == 1, told
    if "threshold" in why:
        assert lines[0] == f"4 of 4 blocks, because {why}, with the imagery that they have"
    assert "new in" not in why or lines[0].startswith("2 of 6 blocks")


def planned(recipe: Path, out: Path, models: Path, *options: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(croplayer("plan", recipe, "-o", out, "--json", *options, models=models).stdout)
    return told


def blocks_of(folder: RunFolder, step: str) -> Iterator[tuple[str, list[str]]]:
    """Each block with the digests of its files."""
    for _, record in Ledger(folder.ledger(step)).newest():
        yield record.block.name, sorted(digest.sha256 for digest in record.files.values())


def test_only_what_the_imagery_makes_different_is_done_anew(both: Path) -> None:
    first, second = RunFolder(both), RunFolder(both / "editions/2021")
    shared, done = 0, 0
    for _, record in Ledger(second.ledger("mosaic")).newest():
        for key in record.files:
            old = first.own_cube / key.replace("2021/", "2020/", 1)
            shared += old.samefile(second.own_cube / key)
            done += 1
    assert 0 < shared < done  # the tile lies in some of the four blocks, and every block has files of both sources
    cube = [open_cube(both, edition=e) for e in ("2020", "2021")]
    same = (cube[0].rgb == cube[1].rgb).all("band").mean(("y", "x")).compute()
    assert same.sel(source="borealis") == 1 and 0.5 < same.sel(source="aster") < 1


def test_editions_are_opened_by_name_or_together(both: Path) -> None:
    with pytest.raises(ValueError, match="holds the editions 2020, 2021; say which one"):
        open_cube(both)
    with pytest.raises(ValueError, match="has no edition '2019'; it holds 2020, 2021"):
        open_cube(both, edition="2019")
    together = open_cube(both, edition=["2020", "2021"])
    assert together.edition.values.tolist() == ["2020", "2021"]
    for name in ("2020", "2021"):
        np.testing.assert_array_equal(together.croplayer.sel(edition=name), open_cube(both, edition=name).croplayer)
    # It is the imagery of no one cube, so nothing reads on in that of the first edition.
    assert cube_behind(together.sel(edition="2021")) is None
    with pytest.raises(ValueError, match="no edition is named"):
        open_cube(both, edition=[])


def test_the_snapshot_of_a_later_edition_shares_no_file_with_the_run(both: Path, models: Path, tmp_path: Path) -> None:
    carried = [p for p in (both / "editions/2021/cube.zarr").rglob("c/**/*") if p.is_file() and p.stat().st_nlink > 1]
    assert carried
    croplayer("snapshot", f"{both}@2021", "-o", tmp_path / "2021", "--despite-licences", models=models)
    assert all(p.stat().st_nlink == 1 for p in (tmp_path / "2021").rglob("*") if p.is_file())
    assert open_cube(tmp_path / "2021").identical(open_cube(both, edition="2021"))
    assert (
        "no problems: every file matches the manifest" in croplayer("verify", tmp_path / "2021", models=models).stdout
    )


def test_all_editions_are_verified_and_a_second_run_does_nothing(
    both: Path, next_recipe: Path, models: Path, tmp_path: Path
) -> None:
    assert "no problems" in croplayer("verify", both, models=models).stdout
    for edition in ("2020", "2021"):
        assert "no problems" in croplayer("verify", f"{both}@{edition}", models=models).stdout
        told = croplayer("status", f"{both}@{edition}", models=models).stdout
        assert told.count("finished, since") == 1 and ("editions/2021" in told) == (edition == "2021")
    assert "has no edition '1999'" in croplayer("verify", f"{both}@1999", models=models, check=False).stderr
    out = tmp_path / "run"
    shutil.copytree(both, out)
    before = digests(out / "editions/2021")
    again = croplayer("run", next_recipe, "-o", out, models=models)
    assert "begins with" not in again.stdout and digests(out / "editions/2021") == before
    damaged = next(p for p in (out / "editions/2021/cube.zarr/2021/rgb/c").rglob("*") if p.is_file())
    damaged.write_bytes(b"damaged")
    found = croplayer("verify", out, models=models, check=False)
    assert found.returncode == 1 and "editions/2021" in found.stdout


def test_carrying_over_that_was_killed_is_done_again(
    finished_small_run: Path, next_recipe: Path, both: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(both, out)
    edition = RunFolder(out / "editions/2021")
    edition.outputs.unlink()  # the memory of the steps is written last
    edition.ledger("segment").write_bytes(edition.ledger("segment").read_bytes()[:-9])
    done = croplayer("run", next_recipe, "-o", out, models=models)
    assert "begins with 4 blocks" in done.stdout
    assert digests(edition.root) == digests(both / "editions/2021")
    assert "no problems" in croplayer("verify", out, models=models).stdout


def test_the_first_edition_is_known_without_its_ledgers(finished_small_run: Path, tmp_path: Path) -> None:
    out = RunFolder(tmp_path / "run")
    shutil.copytree(finished_small_run, out.root)
    shutil.rmtree(out.root / "ledger")
    assert out.edition == "2020" and out.place_of("2021").root == out.root / "editions/2021"
    out.recipe.unlink()
    assert out.edition == "2020"


def test_an_edition_that_was_stopped_before_it_began_is_no_edition(
    finished_small_run: Path, next_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished_small_run, out)
    (out / "editions/2020b").mkdir(parents=True)
    (out / "editions/2020b/.lock").touch()
    assert "no problems" in croplayer("verify", out, models=models).stdout
    told = croplayer("plan", next_recipe, "-o", out, models=models).stdout
    assert "begins with the blocks of edition '2020'" in told


def test_a_grown_region_keeps_the_blocks_that_it_shares(
    finished_small_run: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    """A later edition of one block alone, which lies elsewhere in its cube."""
    recipe = tmp_path / "part.toml"
    text = small_recipe.read_text(encoding="utf-8").replace('edition = "2020"', 'edition = "2021"')
    recipe.write_text(text.replace("bounds = [114.0, 34.0, 114.1, 34.1]", "bounds = [114.05, 34.0, 114.1, 34.05]"))
    out = tmp_path / "run"
    shutil.copytree(finished_small_run, out)
    done = croplayer("run", recipe, "-o", out, "--until", "mosaic", models=models)
    assert "begins with 1 blocks of edition '2020'" in done.stdout
    for step in ("mosaic", "segment"):
        assert len(list(Ledger(RunFolder(out / "editions/2021").ledger(step)).lines())) == 1
    whole, part = open_cube(out, edition="2020"), open_cube(out / "editions/2021/cube.zarr")
    np.testing.assert_array_equal(whole.rgb.sel(x=part.x, y=part.y), part.rgb)
