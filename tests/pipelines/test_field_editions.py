"""Fields of two editions of a map: what became of each, and ids that the later one takes from the earlier one."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from shared.commands import croplayer
from shared.run_files import digests
from soak.damage import problems_of

from croplayer.cube.field_editions import match_runs
from croplayer.cube.opening import open_cube
from croplayer.fields.files import read_fields, write_fields
from croplayer.fields.matching import KINDS, kept_ids, match_fields


def later(recipe: Path, folder: Path, before: Path | None) -> Path:
    """The recipe of a later edition, which sees the country through one of the sources alone, the coarser one."""
    text = recipe.read_text(encoding="utf-8").replace('edition = "2020"', 'edition = "2021"')
    first, second = (text.index(f'[[sources]]\nname = "{name}"') for name in ("aster", "borealis"))
    text = text[:first] + text[second:]
    if before is not None:
        text = text.replace("[fields]", f'[fields]\nbefore = "{before}"')
    path = folder / "later.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def plain(field_recipe: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the later edition with ids of its own."""
    folder = tmp_path_factory.mktemp("plain")
    croplayer("run", later(field_recipe, folder, None), "-o", folder / "run", "--workers", 1, models=models)
    return folder / "run"


def fields_of(out: Path) -> gpd.GeoDataFrame:
    """All fields of a run."""
    return open_cube(out).crop.fields()


def same_table(read: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Check that two tables of matches are the same, whichever value says that there is none."""
    pd.testing.assert_frame_equal(*(table.astype(object).where(table.notna(), None) for table in (read, wanted)))


def outlines(fields: gpd.GeoDataFrame) -> dict[bytes, str]:
    """Ids by outline."""
    return dict(zip(fields.geometry.to_wkb(), fields.id, strict=True))


def test_two_runs_are_matched_as_their_tables_are(field_run: Path, plain: Path, models: Path, tmp_path: Path) -> None:
    wanted = match_fields(fields_of(field_run), fields_of(plain))
    done = croplayer("fields", "match", field_run, plain, "-o", tmp_path / "m.parquet", models=models)
    assert "m.parquet" in done.stdout and f"{(wanted.kind == 'same').sum():,} same" in done.stderr
    same_table(pd.read_parquet(tmp_path / "m.parquet"), wanted)
    assert set(wanted.kind) <= set(KINDS) and wanted.kind.nunique() >= 4, "the editions differ in many ways"
    same_table(match_runs(field_run / "cube.zarr", plain), wanted)
    croplayer("fields", "match", field_run, plain, "-o", tmp_path / "m.csv", models=models)
    assert len(pd.read_csv(tmp_path / "m.csv")) == len(wanted)
    itself = match_runs(plain, plain)
    assert set(itself.kind) == {"same"} and itself.before_id.equals(itself.after_id)


@pytest.fixture
def earlier(field_run: Path, tmp_path: Path) -> Path:
    """A run of the earlier edition whose fields have other ids than those of the cells that they lie in."""
    out = tmp_path / "earlier"
    shutil.copytree(field_run, out)
    for path in (out / "fields").glob("*.parquet"):
        fields = pd.concat(read_fields(path))
        write_fields([fields.assign(id="old-" + fields.id)], path)
    return out


def test_a_later_run_takes_the_ids_of_the_earlier_one(
    earlier: Path, plain: Path, field_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out, own = tmp_path / "run", later(field_recipe, tmp_path, earlier)
    shutil.copytree(plain, out)
    croplayer("run", own, "-o", out, "--workers", 1, models=models)
    assert problems_of(out) == []
    before, without, fields = fields_of(earlier), fields_of(plain), fields_of(out)
    assert outlines(fields) == dict(zip(without.geometry.to_wkb(), kept_ids(before, without), strict=True))
    assert fields.id.is_unique
    told = match_runs(earlier, out)
    same = told[told.iou > 0.5]
    assert len(same) > 3 and same.before_id.equals(same.after_id)
    assert set(fields.id[fields.id.str.startswith("old-")]) == set(same.after_id) < set(fields.id)
    table = pd.read_parquet(out / "tables/field_matches.parquet")
    assert set(table.after_id.dropna()) == set(without.id) and set(table.id.dropna()) == set(fields.id)
    assert sorted(table.kind) == sorted(told.kind)
    written = digests(out)
    assert "nothing to do" in croplayer("run", own, "-o", out, "--workers", 1, models=models).stdout
    assert digests(out) == written
    croplayer("run", later(field_recipe, tmp_path, None), "-o", out, "--workers", 1, models=models)
    assert outlines(fields_of(out)) == outlines(without) and not (out / "tables/field_matches.parquet").exists()


def test_what_cannot_be_matched_is_said(
    field_run: Path,
    finished_small_run: Path,
    field_recipe: Path,
    models: Path,
    tmp_path: Path,
) -> None:
    def said(*arguments: object) -> str:
        done = croplayer(*arguments, models=models, check=False)
        assert done.returncode != 0
        return done.stderr

    out = tmp_path / "m.parquet"
    assert "has no fields; add the table [fields]" in said("fields", "match", finished_small_run, field_run, "-o", out)
    nowhere = tmp_path / "nowhere"
    assert f"there is no run at {nowhere}" in said("fields", "match", field_run, nowhere, "-o", out)
    assert "expected .parquet or .csv" in said("fields", "match", field_run, field_run, "-o", tmp_path / "m.txt")
    text = said("run", later(field_recipe, tmp_path, finished_small_run), "-o", tmp_path / "run")
    assert "[fields]: before" in text and "has no fields" in text
    own = tmp_path / "own"
    shutil.copytree(field_run, own)
    itself = tmp_path / "own.toml"
    itself.write_text(field_recipe.read_text(encoding="utf-8").replace("[fields]", f'[fields]\nbefore = "{own}"'))
    assert "before is the run's own folder" in said("run", itself, "-o", own, "--workers", 1)


def test_fields_of_several_editions_stand_in_one_table(
    field_run: Path, plain: Path, models: Path, tmp_path: Path
) -> None:
    done = croplayer("fields", "history", field_run, plain, "-o", tmp_path / "history.parquet", models=models)
    table = pd.read_parquet(tmp_path / "history.parquet")
    assert f"{table.field.nunique():,} fields in 2 editions" in done.stderr
    first, later = (table[table.edition == name].set_index("id") for name in ("2020", "2021"))
    assert (len(first), len(later)) == (len(fields_of(field_run)), len(fields_of(plain)))
    matches = match_runs(field_run, plain)
    for link in matches[matches.kind == "same"].itertuples():
        assert first.field[link.before_id] == later.field[link.after_id]
    assert (first.became == "gone").sum() == (matches.kind == "gone").sum()
    wrong = croplayer("fields", "history", plain, "-o", tmp_path / "one.csv", models=models, check=False)
    assert wrong.returncode == 2 and "expected at least two" in wrong.stderr


def test_a_comparison_tells_of_the_fields_of_both_editions(
    field_run: Path, next_year: Path, models: Path, tmp_path: Path
) -> None:
    done = croplayer("change", field_run, next_year, "-o", tmp_path / "change", models=models)
    assert done.returncode == 0
    table = pd.read_parquet(tmp_path / "change/tables/change_fields.parquet")
    assert (table.edition == "before").sum() == len(fields_of(field_run))
    assert (table.edition == "after").sum() == len(fields_of(next_year))
    assert "fields gone and new" in (tmp_path / "change/report.html").read_text(encoding="utf-8")
    # The same map, so nothing is gone, whatever became of the outlines.
    assert set(table.verdict) <= {"none", "not known"}


@pytest.fixture
def next_year(field_run: Path, tmp_path: Path) -> Path:
    """The same map with fewer fields."""
    out = tmp_path / "next"
    shutil.copytree(field_run, out)
    for path in (out / "fields").glob("*.parquet"):
        fields = pd.concat(read_fields(path))
        write_fields([fields.iloc[::2]], path)
    return out
