"""What the tests share: a small synthetic country, a small recipe, and the real data where they are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from shared.commands import croplayer
from shared.made_once import made_once
from shared.painted_scenes import write_painted_scenes
from shared.places import DATA, SMALL_RECIPE

from stores.grid import Bounds

if TYPE_CHECKING:
    from croplayer.models.training.scenes import LabelledScenes

# Kernels compile on their first call, so a deadline would judge the compiler; timing is no verdict here.
hypothesis.settings.register_profile("croplayer", deadline=None)
hypothesis.settings.load_profile("croplayer")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first, so that they do not end long after the others when files run side by side.

    Files that need the small run come after those that do not, so that few processes wait for the one that makes it.
    """
    waiting = {item.path for item in items if "small_run" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, item.path in waiting))


SMALL_BOUNDS = Bounds(114.0, 34.0, 114.1, 34.1)


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the real data; the test is skipped where it is absent."""
    if not (DATA / "naip_fields").is_dir():
        pytest.skip(f"real data not found at {DATA}; set CROPLAYER_DATA to run this test")
    return DATA


@pytest.fixture(scope="session")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic country of 2 x 2 blocks with tiles, truth, provinces and training scenes; tests must leave it as it is."""
    from croplayer.landscape.make import make_country

    def make(out: Path) -> None:
        make_country(
            out, seed=7, bounds=SMALL_BOUNDS, zoom=13, training_scenes=4, coverage_samples=50, provinces=2,
            truth_block_px=128,
        )  # fmt: skip

    return made_once(tmp_path_factory, "country", make)


@pytest.fixture(scope="session")
def small_recipe(country: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe that maps the small country with a model trained for a few steps."""
    text = SMALL_RECIPE.read_text(encoding="utf-8").replace("$COUNTRY", str(country))
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def small_run(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of the small recipe with one worker, `one`, and of its trained models, `models`."""

    def make(out: Path) -> None:
        croplayer("run", small_recipe, "-o", out / "one", models=out / "models", in_new_python=True)

    return made_once(tmp_path_factory, "small_run", make)


@pytest.fixture(scope="session")
def finished_small_run(small_run: Path) -> Path:
    """A finished run of the small recipe with one worker; tests must leave it as it is."""
    return small_run / "one"


@pytest.fixture(scope="session")
def models(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the models of the small run, to which this process adds those that its tests train."""
    own = tmp_path_factory.mktemp("models") / "own"
    shutil.copytree(small_run / "models", own)
    return own


@pytest.fixture(scope="session")
def field_recipe(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small recipe with fields."""
    path = tmp_path_factory.mktemp("fields") / "small.toml"
    part = "\n[fields]\nmin_confidence = 0.0\nmin_area_ha = 0.0\n"
    path.write_text(small_recipe.read_text(encoding="utf-8") + part, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def field_run(
    field_recipe: Path, finished_small_run: Path, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The small run with fields added; tests must leave it as it is."""

    def make(out: Path) -> None:
        shutil.copytree(finished_small_run, out / "run")
        croplayer("run", field_recipe, "-o", out / "run", "--workers", 1, models=models)

    return made_once(tmp_path_factory, "with_fields", make) / "run"


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch works on one thread while the test lasts."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Six small labelled scenes in UTM: the folder of rasters and the polygons, drawn in degrees."""
    return write_painted_scenes(tmp_path_factory.mktemp("painted"))


@pytest.fixture(scope="session")
def painted_scenes(painted: tuple[Path, Path]) -> LabelledScenes:
    """The same scenes, opened."""
    from croplayer.models.training.scenes import LabelledScenes

    return LabelledScenes.open(*painted)
