"""What README and docs name exists: commands with their options, keys, files, links, extras and modules.

Their commands and snippets run in test_page_commands.py, those of docs/contributing in test_contributing_pages.py, and the
cluster's commands and manifests in pipelines/test_clusters_page.py.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import click
import pydantic
import pytest
from shared.pages import PAGES, code, command_of, lines, name_of, options_of, spans, words
from shared.places import REPOSITORY

from croplayer.products.legend import read_legend
from pipelines.cli import main
from pipelines.public_data import PUBLIC_DATA
from pipelines.recipe import Recipe
from pipelines.recipe_data import MADE_BY
from pipelines.recipe_files import RECIPES

README = REPOSITORY / "README.md"
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
        is_file = span.endswith((".csv", ".gpkg", ".html", ".parquet")) or (
            dotted and (REPOSITORY / dotted[1]).exists()
        )
        if dotted and dotted[1] in sections and not is_file:
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
    for folder, told in PUBLIC_DATA.items():
        (address,) = re.findall(r"https://\S+", told.source) or ("docs/evaluation.md",)
        assert address in rows[folder], folder


def test_the_stages_of_the_readme_are_the_stages() -> None:
    from pipelines.stages.order import STAGES

    (listed,) = re.findall(
        r"Each stage is also a command that takes the same recipe: (.+?)\.\n", README.read_text(encoding="utf-8"), re.S
    )
    assert re.findall(r"`croplayer (\w+)`", listed) == [stage.name for stage in STAGES]
