"""`croplayer verify` finds what is damaged, missing or behind, and running again mends it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from shared.commands import croplayer
from shared.run_files import digests
from soak.damage import problems_of

from croplayer.cube.opening import open_cube
from stores.finished import MissingBlocksError


def test_verify_finds_damage_and_running_again_mends_it(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "damaged"
    shutil.copytree(finished, out)
    assert "no problems: every file matches its ledger" in croplayer("verify", out, models=models).stdout
    rng = np.random.default_rng(0)
    chunks = sorted(p for p in (out / "cube.zarr").rglob("*") if p.is_file() and re.search(r"/c/\d/\d+/", str(p)))
    flipped, truncated, removed = (chunks[i] for i in rng.choice(len(chunks), 3, replace=False))
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 4
    flipped.write_bytes(bytes(data))
    truncated.write_bytes(truncated.read_bytes()[:-3])
    removed.unlink()
    (out / "tables/units_1.csv").write_text("nonsense")
    (out / "cube.zarr/2020/croplayer/c/9").mkdir()
    (out / "cube.zarr/2020/croplayer/c/9/9").write_text("foreign")
    done = croplayer("verify", out, "--repair", models=models, check=False)
    assert done.returncode == 1
    for path in (flipped, truncated, removed, out / "tables/units_1.csv", out / "cube.zarr/2020/croplayer/c/9/9"):
        assert str(path) in done.stdout, path
    shutil.rmtree(out / "cube.zarr/2020/croplayer/c/9")
    croplayer("run", small_recipe, "-o", out, models=models)
    assert digests(out) == digests(finished)
    assert "no problems: every file matches its ledger" in croplayer("verify", out, models=models).stdout


def test_verify_finds_what_is_missing_of_the_ledgers_and_running_again_mends_it(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "damaged"
    shutil.copytree(finished, out)
    ledgers = {name: out / f"ledger/{name}.jsonl" for name in ("assess", "mosaic", "segment")}
    sizes = {name: path.stat().st_size for name, path in ledgers.items()}
    ledgers["assess"].unlink()
    ledgers["mosaic"].write_bytes(b"".join(ledgers["mosaic"].read_bytes().splitlines(keepends=True)[:3]))
    ledgers["segment"].write_bytes(ledgers["segment"].read_bytes()[:-5])
    foreign = [out / name for name in ("tables/areas.csv", "ledger/assess.jsonl.old", "notes.txt", "notes")]
    foreign[-1].mkdir()
    for path in [*foreign[:-1], foreign[-1] / "today.txt"]:
        path.write_text("foreign")
    done = croplayer("verify", out, "--repair", models=models, check=False)
    assert f"ledger {ledgers['assess']} is missing; run the recipe again" in done.stdout
    for name in ("mosaic", "segment"):
        left = ledgers[name].stat().st_size
        assert f"ledger {ledgers[name]} has {left} of its {sizes[name]} bytes" in done.stdout
    assert all(f"{path} is " in done.stdout for path in foreign)
    assert "7 problems" in done.stdout, done.stdout
    done = croplayer("verify", out, models=models, check=False)
    assert "assess: 4 of 4 blocks are not done; run the recipe again" in done.stdout
    assert "is incomplete" in done.stdout and done.returncode == 1
    for path in foreign:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    croplayer("run", small_recipe, "-o", out, models=models)
    assert digests(out) == digests(finished)
    assert problems_of(out) == []


def test_verify_finds_a_lost_record_of_finished_steps(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "damaged"
    shutil.copytree(finished, out)
    recipe = (out / "recipe.toml").read_bytes()
    (out / "recipe.toml").write_bytes(recipe.replace(b"small", b"large"))
    assert [p for p in problems_of(out) if f"head: {out}/recipe.toml has other bytes" in p] == problems_of(out)
    (out / "ledger/outputs.json").unlink()
    done = croplayer("verify", out, "--repair", models=models, check=False)
    assert f"{out}/ledger/outputs.json is missing" in done.stdout and done.returncode == 1
    croplayer("run", small_recipe, "-o", out, models=models)
    assert (out / "recipe.toml").read_bytes() == recipe
    assert (out / "ledger/outputs.json").read_bytes() == (finished / "ledger/outputs.json").read_bytes()
    assert digests(out) == digests(finished)
    assert problems_of(out) == []


def test_a_run_that_was_asked_for_a_part_is_at_its_end(
    small_recipe: Path, models: Path, finished: Path, tmp_path: Path
) -> None:
    croplayer("run", small_recipe, "-o", tmp_path / "part", "--until", "assess", "--workers", 1, models=models)
    assert problems_of(tmp_path / "part") == []


def test_a_new_mosaic_under_old_masks_is_found(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out, recipe = tmp_path / "run", tmp_path / "new.toml"
    shutil.copytree(finished, out)
    recipe.write_text(small_recipe.read_text(encoding="utf-8").replace("tiles/aster/", "tiles/borealis/"))
    croplayer("mosaic", recipe, "-o", out, "--workers", 1, models=models)
    with pytest.raises(MissingBlocksError, match=r"4 of 4 blocks of edition '2020' of .* have no finished 'segment'"):
        open_cube(out / "cube.zarr", strict=True)
    done = croplayer("verify", out, models=models, check=False)
    assert done.returncode == 1 and "is incomplete" in done.stdout
    for step in ("segment", "integrate"):
        assert f"{step}: 4 of 4 blocks are not done; run the recipe again" in done.stdout
    croplayer("run", small_recipe, "-o", out, "--workers", 1, models=models)
    assert digests(out) == digests(finished)
    assert problems_of(out) == []
    assert open_cube(out / "cube.zarr", strict=True).sizes["x"] == 256
