"""``croplayer data``: what included recipes read, where it comes from, and what is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.cli import main
from pipelines.public_data import PUBLIC_DATA, included_recipes, wanted_by
from pipelines.recipe_files import RECIPES


def said(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["data", *arguments])
    return done.exit_code, done.output


def test_every_folder_is_listed_with_source_licence_and_recipes() -> None:
    code, text = said("list")
    assert code == 0
    parts = dict(zip(*[iter(re.split(r"(?m)^(\S+)\n(?=  )", text)[1:])] * 2, strict=True))
    assert list(parts) == list(PUBLIC_DATA)
    for part in parts.values():
        assert {"content", "get it", "licence", "recipes"} <= {
            line[2:10].strip() for line in part.strip("\n").split("\n")
        }
    assert "naip_dates" in parts["clouds"], "its models are trained from them"


def test_every_path_of_the_included_recipes_is_known() -> None:
    named = sum(text.count('"$CROPLAYER_DATA/') for text in (p.read_text("utf-8") for p in RECIPES.glob("*.toml")))
    own = {(w.recipe, w.path) for name in included_recipes() for w in wanted_by(name)}
    assert len(own) >= named > 10


def test_what_is_missing_is_named_and_found_once_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROPLAYER_DATA", str(tmp_path / "data"))
    (tmp_path / "data/naip_fields/images").mkdir(parents=True)
    code, text = said("check", "default_fast_model")
    assert code == 1 and "2 of 2 are missing" in text, "an empty folder holds nothing"
    assert "superlinear-ai/agoro-field-boundary-detector" in text
    (tmp_path / "data/naip_fields/images/a.tif").touch()
    (tmp_path / "data/naip_fields/fields.gpkg").touch()
    code, text = said("check", "default_fast_model")
    assert (code, text.count(" there")) == (0, 2) and text.endswith("nothing is missing\n")
    assert said("check")[0] == 1


def test_a_recipe_without_public_data_and_an_unknown_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said("check", "demo") == (0, "it reads no public data\n")
    code, text = said("check", "demos")
    assert code == 2 and "no included recipe is named 'demos'" in text
