"""The commands of README and docs run as they stand, in their order, as a reader would type them; so does the Python."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import matplotlib.pyplot as plt
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from shared.commands import croplayer
from shared.pages import code, lines, name_of, words
from shared.places import REPOSITORY
from shared.small_recipes import recipe_without_training

from pipelines.cli import main
from stores.grid import Bounds

README = REPOSITORY / "README.md"
DEMO_BLOCKS = Bounds(115.1, 34.95, 115.2, 35.05)
"""The region of the README's examples: four blocks of the demo."""
FIRST_RUN = "croplayer run my_region.toml -o runs/my_region  "


class Workshop:
    """A folder in which the pages' commands run in their order, as a reader would type them."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder, self._models = folder, models

    def does(self, page: Path, start: str, *more: str) -> str:
        """Run the page's line that begins so, with more words at its end, and return what it says."""
        (line,) = {line for line in lines(page) if line.startswith(start)}
        given = [*words(line)[1:], *more]
        if given[0] == "run":
            done = croplayer(*given, models=self._models)
            return done.stdout + done.stderr
        done_here = CliRunner().invoke(main, given)
        assert done_here.exit_code == 0, f"{line}: {done_here.output} {done_here.exception!r}"
        return done_here.output

    def label(self, sample: str) -> None:
        """Label a sample as a person would: the western half of the region is cropland."""
        points = gpd.read_file(sample)
        west = points.geometry.x < (DEMO_BLOCKS.west + DEMO_BLOCKS.east) / 2
        points.assign(label=west.map({True: "cropland", False: "not cropland"})).to_file(sample, driver="GPKG")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Workshop]:
    """With the reader's recipe, a run of it, and a run of the demo on four of its blocks."""
    from croplayer.landscape.make import DEMO_SEED, make_country

    folder = tmp_path_factory.mktemp("pages")
    make_country(
        folder / "country", seed=DEMO_SEED, bounds=DEMO_BLOCKS, zoom=13, training_scenes=0, coverage_samples=0, provinces=2,
        truth_block_px=128,
    )  # fmt: skip
    text = recipe_without_training(folder / "country").replace("[114.0, 34.0, 114.1, 34.1]", str(list(DEMO_BLOCKS)))
    (folder / "my_region.toml").write_text(text, encoding="utf-8")
    (folder / "nation.toml").write_text(text, encoding="utf-8")
    gpd.GeoDataFrame(geometry=[shapely.box(115.12, 34.97, 115.14, 34.98)], crs="EPSG:4326").to_file(
        folder / "farm.gpkg"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CROPLAYER_MODELS", str(models))
        yield Workshop(folder, models)


@pytest.fixture(scope="module")
def mapped(workshop: Workshop) -> Workshop:
    workshop.does(README, FIRST_RUN)
    shutil.copytree("runs/my_region", "runs/demo")
    return workshop


def test_the_readme_for_operators(mapped: Workshop) -> None:
    assert re.search(r"^blocks +4$", mapped.does(README, "croplayer plan my_region.toml"), re.M)
    assert "finished" in mapped.does(README, "croplayer status runs/my_region")
    assert "every file matches" in mapped.does(README, "croplayer verify runs/my_region")
    assert "everything is up to date" in mapped.does(README, "croplayer plan runs/my_region")
    assert "nothing would be done" in mapped.does(README, "croplayer explain runs/my_region segment")
    assert "not known" not in mapped.does(README, "croplayer plan nation.toml --pilot")
    assert "nothing to do" in mapped.does(README, FIRST_RUN)
    assert "of 23 figures and tables" in mapped.does(README, "croplayer paper runs/my_region")
    (command,) = re.findall(r"`croplayer (judge sample) RUN (-o review)`", README.read_text(encoding="utf-8"))
    done = CliRunner().invoke(main, [*command[0].split(), "runs/my_region", *command[1].split()])
    assert done.exit_code == 0, done.output
    assert {"blocks.csv", "blocks.gpkg"} <= {path.name for path in Path("review").iterdir()}


@pytest.mark.parametrize("page", [README, REPOSITORY / "docs/evaluation.md"], ids=name_of)
def test_areas_with_intervals(mapped: Workshop, page: Path) -> None:
    assert "points" in mapped.does(page, "croplayer area plan")
    mapped.does(page, "croplayer area draw")
    assert {"sample.gpkg", "sample.csv", "sample.design.json"} <= {path.name for path in mapped.folder.iterdir()}
    mapped.label("sample.gpkg")
    said = mapped.does(page, "croplayer area estimate")
    assert re.search(r"estimate [\d,.]+ km² \[", said), said
    for path in mapped.folder.glob("sample*"):
        path.unlink()


def test_the_readme_for_analysts(mapped: Workshop) -> None:
    names: dict[str, Any] = {}
    (text,) = code(README, "python")
    exec(text, names)
    plt.close("all")
    assert names["cube"].rio.crs.to_epsg() == 4326
    assert set(names["provinces"].name_en) == {"Qinghe", "Yunling"}
    by_province = names["cube"].crop.area(by=names["provinces"])
    table = pd.read_csv("runs/demo/tables/units_1.csv").set_index("name_en")
    assert by_province.area_km2.to_numpy() == pytest.approx(
        table.croplayer_km2[by_province.name_en].to_numpy(), rel=1e-6
    )


def test_the_readme_for_offices(mapped: Workshop) -> None:
    for out in ("map.tif", "regions.shp", "regions.parquet"):
        start = next(line for line in lines(README) if line.startswith("croplayer query") and line.endswith(out))
        assert "km² of cropland" in mapped.does(README, start)
        assert Path(out).exists()
    assert "packages/清禾省.tar.gz" in mapped.does(README, "croplayer package")
    assert "catalog/collection.json" in mapped.does(README, "croplayer publish", "--despite-licences")
    assert set(gpd.read_parquet("regions.parquet").columns) == {"id", "area_ha", "geometry"}


@pytest.mark.parametrize("page", [REPOSITORY / "docs/evaluation.md", REPOSITORY / "docs/models.md"], ids=name_of)
def test_python_that_stands_alone(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for text in code(page, "python"):
        exec(text, names)
    if "probability" in names:
        assert names["probability"].shape == (512, 512) and names["probability"].dtype == "float32"
    else:
        assert 0 < names["low"] < names["high"] < 1000


MODELS_PAGE = REPOSITORY / "docs/models.md"


def test_models_are_listed_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shop = Workshop(tmp_path, tmp_path)
    monkeypatch.setenv("CROPLAYER_MODELS", str(tmp_path / "models"))
    assert "default" in shop.does(MODELS_PAGE, "croplayer models list")
    assert "NAIP" in shop.does(MODELS_PAGE, "croplayer models show default")
    shop.does(MODELS_PAGE, "croplayer models export default")
    assert (tmp_path / "graph/model.xml").exists()


@pytest.mark.parametrize(
    "shorter",
    [("--steps", "4", "--crop-px", "64", "--batch", "2"), pytest.param((), marks=pytest.mark.soak)],
    ids=["a few steps", "as it stands"],
)
def test_models_are_trained_evaluated_and_compared(
    painted: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shorter: tuple[str, ...]
) -> None:
    """On small painted scenes; of an option that is given twice the last counts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROPLAYER_MODELS", str(tmp_path / "models"))
    shutil.copytree(painted[0], "scenes")
    shutil.copy(painted[1], "fields.gpkg")
    Path("others").mkdir()
    for path in Path("scenes").iterdir():
        shutil.copy(path, Path("others") / f"other_{path.name}")
    fields = gpd.read_file("fields.gpkg")
    fields.assign(image=[f"other_{name}" for name in fields.image]).to_file("others.gpkg")
    shop = Workshop(tmp_path, tmp_path / "models")
    shop.does(MODELS_PAGE, "croplayer models train --images", *shorter)
    assert '"iou"' in shop.does(MODELS_PAGE, "croplayer models evaluate")
    said = shop.does(MODELS_PAGE, "croplayer models compare --images scenes/", *shorter)
    assert all(f"{name} tiny" in said for name in ("segformer", "mask2former", "pidnet", "pspnet"))
    if not shorter:
        shutil.rmtree("my_model")
        (line,) = (line for line in lines(MODELS_PAGE) if line.startswith("torchrun"))
        subprocess.run([sys.executable, "-m", "torch.distributed.run", *words(line)[1:]], check=True)
        assert Path("my_model/manifest.json").exists()


@pytest.mark.soak
def test_the_sheets_of_the_country_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    (line,) = lines(REPOSITORY / "docs/landscape.md")
    exec(words(line)[2], {})
    assert {path.name for path in Path("docs").iterdir()} == {"landscape_blocks.jpg", "landscape_close.jpg"}
