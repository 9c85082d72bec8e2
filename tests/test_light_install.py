"""Opening, querying and comparing a cube needs the base install alone; a command that needs more says which extra."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin
from shared.places import REPOSITORY

from croplayer.cube.whole_blocks import Cube
from pipelines.extras import EXTRA_OF, missing_package
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, BlockRange

OURS = {"croplayer", "stores", "pipelines"}
PART_OF = {"huggingface-hub": "transformers", "llvmlite": "numba", "pydantic-core": "pydantic"}
"""Packages that another one brings in the very version that it needs."""
LIGHT = """
import sys
from importlib.machinery import PathFinder

class Installed(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in PACKAGES else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Installed
"""


def light(code: str, *arguments: object, but: Iterable[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run Python where no package of an extra can be imported, but those named."""
    absent = LIGHT.replace("PACKAGES", repr(sorted(set(EXTRA_OF) - set(but))))
    return subprocess.run([sys.executable, "-c", absent + code, *map(str, arguments)], capture_output=True, text=True)


def light_croplayer(*arguments: object) -> subprocess.CompletedProcess[str]:
    return light("from pipelines.cli import main\nmain(prog_name='croplayer')", *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """cube.zarr whose left block is cropland and whose right block is not, units.parquet and esa.tif: all cropland."""
    out = tmp_path_factory.mktemp("light")
    blocks = BlockRange(1100, 5880, 1, 2)
    CUBE.create(DurableStore(out / "cube.zarr"), "2020", BlockGrid(64), blocks, ("aster",))
    cube = Cube.open(out / "cube.zarr")
    for col, flag in ((5880, 1), (5881, 0)):
        cube.write_block("croplayer", BlockIndex(1100, col), np.full((64, 64), flag, np.uint8))
    west, north = 114.0, 35.0
    unit = shapely.box(west, north - 0.05, west + 0.1, north)
    gpd.GeoDataFrame({"adcode": ["1"]}, geometry=[unit], crs="EPSG:4326").to_parquet(out / "units.parquet")
    with rasterio.open(
        out / "esa.tif", "w", driver="GTiff", width=1200, height=600, count=1, dtype="uint8", crs="EPSG:4326",
        transform=from_origin(west, north, 1 / 12000, 1 / 12000),
    ) as file:  # fmt: skip
        file.write(np.full((600, 1200), 40, np.uint8), 1)
    return out


def test_a_cube_is_opened_measured_and_compared_without_the_extras(folder: Path) -> None:
    code = """
from pathlib import Path
import croplayer, geopandas
folder = Path(sys.argv[1])
cube = croplayer.open_cube(folder / "cube.zarr")
(area,) = cube.crop.area(by=geopandas.read_parquet(folder / "units.parquet")).area_km2
agreement = cube.crop.compare("ESA", str(folder / "esa.tif"))
fields = cube.crop.polygons()
print(round(area, 2), int(agreement.tp), int(agreement.fn), len(fields))
"""
    done = light(code, folder)
    assert done.returncode == 0, done.stderr
    area, *counts = done.stdout.split()
    assert float(area) == pytest.approx(25.35, abs=0.05)  # 0.05 degrees square at 35 N: 5.548 km by 4.569 km
    assert counts == [str(64 * 64), str(64 * 64), "1"]


def test_imagery_of_a_cube_is_segmented_with_the_packages_of_models(folder: Path) -> None:
    code = """
from pathlib import Path
import croplayer
from croplayer.cube.lazy import segment
cube = croplayer.open_cube(Path(sys.argv[1]) / "cube.zarr")
print(*segment(cube, "aster", "landscape", blend_px=8).compute().shape)
"""
    # The hub comes with transformers.
    done = light(code, folder, but={*requirements()["models"], "huggingface_hub"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["64", "128"]


@pytest.mark.parametrize("ending", ["tif", "shp"])
def test_a_query_is_answered_without_the_extras(folder: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"cut.{ending}"
    done = light_croplayer("query", folder / "cube.zarr", "--bbox", "114.0,34.95,114.1,35.0", "-o", out)
    assert done.returncode == 0, done.stderr
    assert out.exists()


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_is_given_without_the_extras(arguments: list[str]) -> None:
    done = light_croplayer(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: croplayer")


@pytest.mark.parametrize("command", [["verify", "--repair"], ["status"]])
def test_a_run_is_looked_at_without_the_extras(tmp_path: Path, command: list[str]) -> None:
    done = light_croplayer(*command, tmp_path)
    assert not re.search(r"ModuleNotFoundError|pip install", done.stdout + done.stderr), done.stderr


def test_models_are_listed_without_the_extras(tmp_path: Path) -> None:
    done = light_croplayer("models", "list", "--models", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "default" in done.stdout


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("run", ["demo"]),
        ("models", ["show", "default"]),
        ("landscape", ["make", "country"]),
    ],
)
def test_a_command_that_needs_an_extra_says_so(tmp_path: Path, command: str, arguments: list[str]) -> None:
    code = f"import os; os.chdir({str(tmp_path)!r})\nfrom pipelines.cli import main\nmain(prog_name='croplayer')"
    done = light(code, command, *arguments)
    assert done.returncode == 2
    assert re.fullmatch(
        rf"croplayer {command} needs packages that are not installed \(\w+\); in a checkout of croplayer: pip install '\.\[run\]'\n",
        done.stderr,
    ), done.stderr


def test_a_module_of_no_extra_is_no_missing_extra() -> None:
    assert missing_package("croplayer run", ModuleNotFoundError(name="numpy.absent")) is None
    sentence = missing_package("croplayer run", ModuleNotFoundError(name="dask_jobqueue.slurm"))
    assert sentence and sentence.endswith("(dask_jobqueue); in a checkout of croplayer: pip install '.[cluster]'")


def plain(name: str) -> str:
    """Name of a package as every spelling of it compares equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> dict[str, set[str]]:
    """Names of the packages that the base install ("") and each extra ask for themselves."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {"": project["dependencies"], **project["optional-dependencies"]}
    names = {extra: {plain(re.split(r"[\[<>=]", n)[0]) for n in needs} for extra, needs in asked.items()}
    names["run"] |= names["models"]
    return {extra: found - {"croplayer"} for extra, found in names.items()}


def imported() -> set[str]:
    """Packages of others that the code imports anywhere."""
    found = set()
    for path in (p for room in OURS for p in (REPOSITORY / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - OURS - sys.stdlib_module_names


def test_every_package_that_is_imported_is_declared_where_the_command_line_says() -> None:
    asked = requirements()
    brought_by = metadata.packages_distributions()
    for module in sorted(imported()):
        names = {PART_OF.get(plain(name), plain(name)) for name in brought_by[module]}
        extra = EXTRA_OF.get(module, "")
        assert names & asked[extra], f"{module} ({', '.join(names)}) is not among the requirements of '{extra}'"
    assert set(EXTRA_OF) <= imported()
