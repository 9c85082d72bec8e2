"""Recipes: keys of rasters, and addresses that hold a secret, are checked before anything is stored or read."""

from __future__ import annotations

from pathlib import Path

import pytest

from croplayer.products.codes import RasterCodes
from croplayer.products.stac_codes import StacCodes
from croplayer.sources.access import Access
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
from pipelines.engine.openings import elevation, imagery_source, product
from pipelines.recipe import Recipe
from pipelines.recipe_files import RecipeError, load_recipe

HEAD = """
name = "x"
title = "A map"
[region]
bounds = [10.0, 5.0, 10.1, 5.1]
[segmentation]
model = "m"
"""
HTTP = '[[sources]]\nname = "a"\nkind = "http"\n'
RASTER = '[[sources]]\nname = "a"\nkind = "raster"\n'
STAC = '[[sources]]\nname = "a"\nkind = "stac"\nitems = "i.json"\n'
PRODUCT = '[[products]]\nname = "p"\ntitle = "P"\n'
TERRAIN = "[terrain]\n"


def load(tmp_path: Path, text: str) -> Recipe:
    path = tmp_path / "recipe.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load_recipe(path, tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (HTTP + 'template = "https://h.example/{z}/{x}/{y}?tk=canary"', r"\[\[sources\]\] 1(: paths, entry .)?"),
        (RASTER + 'paths = ["a.tif", "https://h.example/a.tif?sig=canary"]', r"\[\[sources\]\] 1(: paths, entry .)?"),
        (RASTER + 'paths = ["https://me:canary@h.example/a.tif"]', r"\[\[sources\]\] 1(: paths, entry .)?"),
        (PRODUCT + 'path = "https://h.example/3f2a9c0d7e6b4a518c2dcanary/a.tif"', r"\[\[products\]\] 1"),
        (TERRAIN + 'path = "/vsicurl/https://me:canary@h.example/a.tif"', r"\[terrain\]"),
        (TERRAIN + 'path = "s3://bucket/a.tif?x-amz-security-token=canary"', r"\[terrain\]"),
        (
            HTTP + 'template = "https://h.example/{z}/{x}/{y}?tk=canary"\ntoken_env = "PATH"',
            r"\[\[sources\]\] 1(: paths, entry .)?",
        ),
    ],
)
def test_an_address_with_a_secret_is_refused_and_not_told(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(RecipeError, match=key + r": .*may be a secret .*\{token\}.*token_env") as caught:
        load(tmp_path, text)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RASTER + 'paths = ["https://h.example/{token}/a.tif"]\ntoken_env = "AWS_SESSION_TOKEN"', "token_env is 'AWS_SESSION_TOKEN'"),
        (HTTP + 'template = "https://h.example/{z}/{x}/{y}?k={token}"\ntoken_env = "HOME"', "token_env is 'HOME'; expected CROPLAYER_TOKEN"),
        (RASTER + 'paths = ["https://h.example/{token}/a.tif"]', r"\{token\} needs token_env"),
        (PRODUCT + 'path = "a.tif"\nband = 1\nyear = 2020', "give either band or year"),
        (PRODUCT + 'path = "a.json"\nasset = "map"', "include, exclude and asset need a legend"),
        (STAC.replace("i.json", "https://h.example/search"), "STAC items are read from a file"),
        (STAC + 'token_env = "CROPLAYER_TOKEN"', "token_env is not a known key"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_raster_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load(tmp_path, text)


def test_the_keys_of_a_recipe_reach_the_sources(tmp_path: Path) -> None:
    net = 'i_have_rights = true\nhosts = ["b.example"]\nprivate_network = true\n'
    access = Access(True, ("b.example",), True)
    recipe = load(
        tmp_path,
        f'{RASTER}paths = ["https://h.example/{{token}}/a.tif"]\nbands = [3, 2, 1]\nscale = [0, 3000]\n'
        f'token_env = "CROPLAYER_TOKEN_A"\n{net}'
        f'{STAC.replace(chr(34) + "a" + chr(34), chr(34) + "b" + chr(34))}assets = ["visual"]\nscale = [0.0, 0.3]\nassume_crs = "EPSG:32650"\n'
        f'folders = ["d"]\n{net}'
        f'{PRODUCT}path = "a.tif"\nyear = 2020\n'
        f'{PRODUCT.replace(chr(34) + "p" + chr(34), chr(34) + "q" + chr(34))}path = "i.json"\nasset = "map"\nlegend = "ESRI"\nband = 2\nyear = 2020\nfolders = ["d"]\n{net}'
        f'{TERRAIN}path = "dem.tif"\nband = 2\nunit = "ft"\n',
    )  # fmt: skip
    one, two = (imagery_source(part) for part in recipe.sources)
    with_token = Access(True, ("b.example",), True, "CROPLAYER_TOKEN_A")
    assert one == RasterSource("a", ("https://h.example/{token}/a.tif",), (3, 2, 1), None, (0, 3000), with_token)
    allowed = Access(True, ("b.example",), True, folders=(str(tmp_path / "d"),))
    assert two == StacSource("b", str(tmp_path / "i.json"), ("visual",), None, (0.0, 0.3), "EPSG:32650", allowed)
    assert product(recipe.products[0]).source == RasterCodes((str(tmp_path / "a.tif"),), year=2020)
    codes = product(recipe.products[1]).source
    assert isinstance(codes, StacCodes)
    assert (codes.band, codes.year, codes.access) == (2, 2020, allowed)
    assert recipe.terrain is not None
    model = elevation(recipe.terrain)
    assert (model.band, model.unit) == (2, "ft") and access != with_token
    assert "{token}" in recipe.to_toml()
