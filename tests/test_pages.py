"""What README and docs say is so: commands parse and run, snippets run, and what they name exists.

docs/contributing is run by test_contributing_pages.py, the cluster's commands and manifests by
pipelines/test_clusters_page.py, trainings of docs/models.md by `make soak`.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import click
import geopandas as gpd
import matplotlib.pyplot as plt
import pandas as pd
import pydantic
import pytest
import shapely
from click.testing import CliRunner
from shared.commands import croplayer
from shared.pages import PAGES, code, command_of, lines, name_of, options_of, spans, words
from shared.places import REPOSITORY
from shared.small_recipes import recipe_without_training

from croplayer.products.legend import read_legend
from pipelines.cli import main
from pipelines.recipe import Recipe
from pipelines.recipe_data import MADE_BY, PUBLIC_DATA
from pipelines.recipe_files import RECIPES
from stores.grid import Bounds

README = REPOSITORY / "README.md"
DEMO_BLOCKS = Bounds(115.1, 34.95, 115.2, 35.05)
"""The region of the README's examples: four blocks of the demo."""
PROGRAMS = {"croplayer", "make", "pip", "dask", "openssl", "cp", "kubectl", "python", "torchrun"}
OF_OTHERS = {"tests/testfiles"}
"""Folders of other repositories, whose data the README names."""
BASE = '[region]\nbounds = [0.0, 0.0, 1.0, 1.0]\n[segmentation]\nmodel = "default"\n'
SOURCE = '[[sources]]\nname = "a"\nkind = "raster"\npaths = ["a.tif"]\n'


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_their_options_exist(page: Path) -> None:
    for line in lines(page):
        given = words(line)
        given = given[next(i for i, word in enumerate(given) if "=" not in word) :]
        assert given[0] in PROGRAMS, line
        if given[0] == "make":
            assert given[1] in make_targets(), line
        if given[:2] == ["pip", "install"]:
            assert set(extras_in(line)) <= extras(), line
        if given[0] == "torchrun":
            given = given[given.index("pipelines") :]
        if given[0] in ("croplayer", "pipelines"):
            command, rest = command_of(given[1:])
            assert not isinstance(command, click.Group), line
            command.make_context(line, rest)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_the_text_exist(page: Path) -> None:
    for span in spans(page):
        given = span.split()
        if given[0] == "croplayer" and len(given) > 1 and not given[1].startswith("--"):
            if any(f'Stage("{given[1]}"' in text for text in code(page, "python")):
                continue  # of the page's own example
            command, rest = command_of(given[1:])
            group_of_a_name = isinstance(command, click.Group) and command is not main and not rest
            assert group_of_a_name or not isinstance(command, click.Group), span
            options = [word.partition("=")[0] for word in rest if word.startswith("-")]
            assert set(options) <= {*options_of(command), "--help"}, span
        if given[0] == "make" and len(given) > 1:
            assert given[1] in make_targets(), span
        assert set(extras_in(span)) <= extras(), span


def test_commands_in_recipes_messages_and_docstrings_exist() -> None:
    """``croplayer area draw`` and such, wherever the software speaks of itself."""
    rooms = [path for room in ("croplayer", "stores", "pipelines") for path in (REPOSITORY / room).rglob("*.py")]
    found = 0
    for path in [*rooms, *RECIPES.glob("*.toml")]:
        text = path.read_text(encoding="utf-8")
        said = re.findall(r"`croplayer ([a-z][^`{}\n]*)", text) + re.findall(r"^# +croplayer ([a-z].*)$", text, re.M)
        for words_after in said:
            command, rest = command_of(words_after.split())
            found += 1
            assert not rest or not isinstance(command, click.Group) or command.name == "judge", (path, words_after)
            options = {word for word in rest if word.startswith("-")}
            assert options <= {*options_of(command), "--help"}, (path, words_after)
    assert found > 20


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_modules_in_the_text_exist(page: Path) -> None:
    for span in spans(page):
        if called := re.match(r"python -m ([a-z][\w.]+)(.*)", span):
            found = find_spec(called[1])
            assert found and found.origin, span
            folder = Path(found.origin).parent
            text = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
            for option in re.findall(r"--[a-z-]+", called[2]):
                assert f'"{option}"' in text, span


def test_the_legends_of_the_readme_are_the_legends() -> None:
    (listed,) = re.findall(r"Legends for (.+?)\sare included", README.read_text(encoding="utf-8"), re.S)
    names = set(re.findall(r"\w+", listed)) - {"and"}
    assert names == {path.stem for path in (REPOSITORY / "croplayer/products/legends").glob("*.toml")}


def test_defaults_that_help_texts_state_are_shown_by_the_command_line() -> None:
    """An option with a value that matters says it; a default in words stands where the value depends on others."""
    for command, path in every_command(main, ()):
        for option in command.params:
            if isinstance(option, click.Option) and not option.is_flag and not option.multiple:
                has_default = isinstance(option.default, int | float | str | tuple | Path) and option.default != ""
                assert option.show_default or not has_default, f"{' '.join(path)} {option.opts[0]}"


def every_command(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[click.Command, tuple[str, ...]]]:
    if not isinstance(command, click.Group):
        yield command, path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from every_command(below, (*path, name))


@cache
def make_targets() -> set[str]:
    return set(re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.M))


@cache
def extras() -> set[str]:
    return set(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def extras_in(text: str) -> list[str]:
    """Extras that a text tells to install; a package of our name is in no registry, so only a checkout is named."""
    assert not re.search(r"pip install '?croplayer", text), text
    return [name for names in re.findall(r"pip install .*?\.\[([\w,]+)\]", text) for name in names.split(",")]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, link


@pytest.mark.parametrize("page", [p for p in PAGES if code(p, "toml")], ids=name_of)
def test_toml_is_of_a_recipe_or_a_legend(page: Path, tmp_path: Path) -> None:
    head = f'name = "page"\ntitle = "page"\n{BASE}'
    for text in code(page, "toml"):
        if text.startswith("# my_legend.toml"):
            (tmp_path / "my_legend.toml").write_text(text, encoding="utf-8")
            assert read_legend(str(tmp_path / "my_legend.toml")).crop_codes()
            continue
        source = "" if "[[sources]]" in text else SOURCE
        given = tomllib.loads(head + source + text)
        kept = Recipe.model_validate(given).model_dump(mode="json", exclude_unset=True)
        assert set(kept) == set(given), text


def models_in(kind: Any) -> Iterator[type[pydantic.BaseModel]]:
    """Models in a type, such as those of ``list[A | B] | None``."""
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        yield kind
    for part in get_args(kind):
        yield from models_in(part)


def recipe_keys(model: type[pydantic.BaseModel] = Recipe, path: str = "") -> Iterator[str]:
    """Keys of a recipe with the parts that they lie in: ``segmentation.training.steps``."""
    for name, field in model.model_fields.items():
        yield f"{path}{name}"
        for below in models_in(field.annotation):
            yield from recipe_keys(below, f"{path}{name}.")


@pytest.mark.parametrize("page", [p for p in PAGES if p.parent.name != "contributing"], ids=name_of)
def test_recipe_keys_in_the_text_exist(page: Path) -> None:
    keys = set(recipe_keys())
    tails = {key.rpartition(".")[2] for key in keys}
    sections = {key.partition(".")[0] for key in keys}
    for span in spans(page):
        dotted = re.fullmatch(r"([a-z_]+)(\.[a-z_]+)+( = .+)?", span)
        if dotted and dotted[1] in sections and not (REPOSITORY / dotted[1]).exists():
            assert span.partition(" = ")[0] in keys, span
        if set_to := re.fullmatch(r"([a-z_]+) = [\"\[\dtf].*", span):
            assert set_to[1] in tails | {"include", "exclude", "licence"}, span
        if section := re.match(r"\[+([a-z]+)(?:\.([a-z]+))?\]+(?: ([a-z_]+))?$", span):
            assert ".".join(filter(None, section.groups())) in keys, span


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_in_the_text_exist(page: Path) -> None:
    """Files of the repository are there; tables and files of a run are named by the code that writes them."""
    everything = "\n".join(
        path.read_text(encoding="utf-8")
        for room in ("croplayer", "stores", "pipelines")
        for path in (REPOSITORY / room).rglob("*.py")
    )
    for span in spans(page):
        if re.fullmatch(r"(croplayer|stores|pipelines|tests|docs|benchmarks|notebooks)/[\w/.-]*\w", span):
            assert (REPOSITORY / span).exists() or span in OF_OTHERS, span
        if table := re.fullmatch(r"tables/([a-z_0-9]+)\.(csv|json|parquet)", span):
            # Names are put together there: f"{kind}_trial".
            parts = (table[1], f"_{table[1].rpartition('_')[2]}")
            assert any(part in everything for part in parts), span


def test_the_recipes_are_listed_with_the_data_that_they_need() -> None:
    text = README.read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| \[(\w+)\]\(pipelines/recipes/\1\.toml\) \|.*\| (.+?) \|$", text, re.M))
    assert set(listed) == {path.stem for path in RECIPES.glob("*.toml")}
    for name, needed in listed.items():
        recipe = (RECIPES / f"{name}.toml").read_text(encoding="utf-8")
        folders = set(re.findall(r"\$CROPLAYER_DATA/((?:\.\./)?\w+)", recipe))
        for trained in re.findall(r'^recipe = "(\w+)"$', recipe, re.M):
            folders |= set(
                re.findall(r"\$CROPLAYER_DATA/(\w+)", (RECIPES / f"{trained}.toml").read_text(encoding="utf-8"))
            )
        assert folders == {f for f in PUBLIC_DATA if f"`{f}`" in needed}, name
        assert (name in MADE_BY) == ("$OUT/country" in recipe), name
        if name in MADE_BY:
            assert f"`{MADE_BY[name].format(out=f'runs/{name}')}`" in needed, name
    rows = dict(re.findall(r"^\| `((?:\.\./)?\w+)` \|.*?\| (.+) \|$", text, re.M))
    for folder, origin in PUBLIC_DATA.items():
        (address,) = re.findall(r"https://\S+", origin) or ("docs/evaluation.md",)
        assert address in rows[folder], folder


def test_the_stages_of_the_readme_are_the_stages() -> None:
    from pipelines.stages.order import STAGES

    (listed,) = re.findall(
        r"Each stage is also a command that takes the same recipe: (.+?)\.\n", README.read_text(encoding="utf-8"), re.S
    )
    assert re.findall(r"`croplayer (\w+)`", listed) == [stage.name for stage in STAGES]


FIRST_RUN = "croplayer run my_region.toml -o runs/my_region  "


class Workshop:
    """A folder in which the pages' commands run in their order, as a reader would type them."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder, self._models = folder, models

    def does(self, page: Path, start: str, code: int = 0) -> str:
        """Run the page's line that begins so, and return what it says."""
        (line,) = {line for line in lines(page) if line.startswith(start)}
        given = words(line)[1:]
        if given[0] == "run":
            done = croplayer(*given, models=self._models, check=False)
            assert done.returncode == code, done.stderr
            return done.stdout + done.stderr
        done_here = CliRunner().invoke(main, given)
        assert done_here.exit_code == code, f"{line}: {done_here.output} {done_here.exception!r}"
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


@pytest.mark.soak
def test_models_are_trained_and_compared(
    painted: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the page has it, on small painted scenes; the trainings have the default length."""
    import shlex
    import subprocess
    import sys

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROPLAYER_MODELS", str(tmp_path / "models"))
    for name in ("scenes", "others"):
        shutil.copytree(painted[0], name)
    shutil.copy(painted[1], "fields.gpkg")
    scenes = gpd.read_file(painted[1])
    scenes.assign(image=["other_" + name for name in scenes.image]).to_file("others.gpkg")
    for path in Path("others").iterdir():
        path.rename(path.with_name(f"other_{path.name}"))
    shop = Workshop(tmp_path, tmp_path / "models")
    shop.does(MODELS_PAGE, "croplayer models train --images")
    assert "iou" in shop.does(MODELS_PAGE, "croplayer models evaluate")
    shop.does(MODELS_PAGE, "croplayer models compare --images scenes/")
    shutil.rmtree("my_model")
    (line,) = (line for line in lines(MODELS_PAGE) if line.startswith("torchrun"))
    subprocess.run([sys.executable, "-m", "torch.distributed.run", *shlex.split(line)[1:]], check=True)
    assert Path("my_model/manifest.json").exists()


@pytest.mark.soak
def test_the_sheets_of_the_country_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    (line,) = lines(REPOSITORY / "docs/landscape.md")
    exec(words(line)[2], {})
    assert {path.name for path in Path("docs").iterdir()} == {"landscape_blocks.jpg", "landscape_close.jpg"}
