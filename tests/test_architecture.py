"""The house: rooms lie on floors, imports point downwards, public names are documented, what is advertised exists."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from shared.places import REPOSITORY

import stores
from pipelines.engine.code import import_closure

FLOORS = (
    {"stores", "croplayer.kernels"},
    {"croplayer.files", "croplayer.landscape", "croplayer.pages"},
    {"croplayer.sources", "croplayer.vector", "croplayer.workers"},
    {"croplayer.products"},
    {"croplayer.measures"},
    {"croplayer.models.networks"},
    {"croplayer.models.bundles"},
    {"croplayer.models.training"},
    {"croplayer.models.judging", "croplayer.models"},
    {"croplayer.fields"},
    {"croplayer.cube"},
    {"croplayer.evaluation", "croplayer.tasks"},
    {"croplayer.decisions", "croplayer.active", "croplayer.changes"},
    {"croplayer.report", "croplayer.packages", "croplayer.catalog"},
    {"croplayer.viewer"},
    {"croplayer"},
    {"pipelines.exit_codes"},
    {"pipelines.recipe_parts", "pipelines.recipe_names", "pipelines.recipe_errors", "pipelines.stopping"},
    {"pipelines.recipe_models", "pipelines.recipe_region", "pipelines.recipe_sources"},
    {"pipelines.recipe"},
    {"pipelines.recipe_files"},
    {"pipelines.engine"},
    {"pipelines.stages"},
    {"pipelines"},
    {"pipelines.commands"},
    {"pipelines.cli"},
    {"pipelines.__main__"},
)
"""A room imports from floors below its own, and from itself."""
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ONLY_FOR_PIPELINES = "croplayer.landscape"
"""The synthetic country: nothing that a real run computes with may import it."""
PACKAGES = ("stores", "croplayer", "pipelines")
LIBRARY_METHODS = ("StageOrCommand.get_command", "StageOrCommand.parse_args")
"""Overrides of methods of click, which documents them."""


def modules() -> dict[str, Path]:
    """Every module by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(path: Path, with_types: bool = True) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each module that a file imports, wherever in it; a name of ours to the module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    types = {
        id(below)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for below in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in types and not with_types:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                yield node.lineno, below if below in MODULES else node.module


def room_of(module: str) -> str:
    """The room that a module lies in: the longest name of the table that it begins with."""
    return max((room for room in FLOOR_OF if f"{module}.".startswith(f"{room}.")), key=len)


def test_every_file_lies_in_a_room() -> None:
    """croplayer has rooms only, and its public face."""
    loose = [p.name for p in (REPOSITORY / "croplayer").glob("*.py") if p.name != "__init__.py"]
    assert not loose


def test_imports_point_downwards() -> None:
    wrong = []
    for module, path in MODULES.items():
        room = room_of(module)
        for line, name in imports(path):
            if name.split(".")[0] not in PACKAGES or room_of(name) == room or name == "croplayer" == module:
                continue
            if FLOOR_OF[room_of(name)] >= FLOOR_OF[room]:
                wrong.append(f"{path.relative_to(REPOSITORY)}:{line} ({room}) imports {name} ({room_of(name)})")
    assert not wrong


def test_no_file_imports_itself_through_others() -> None:
    graph = {
        module: {name for _, name in imports(path, with_types=False) if name in MODULES and name != module}
        for module, path in MODULES.items()
    }
    assert not loops(graph)


def loops(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach each other."""
    reached = {module: reach(graph, module) for module in graph}
    found = {tuple(sorted(n for n in reached[m] if m in reached[n])) for m in graph if m in reached[m]}
    return [list(group) for group in sorted(found)]


def reach(graph: dict[str, set[str]], start: str) -> set[str]:
    """Modules that a module imports, directly or not."""
    found: set[str] = set()
    left = list(graph[start])
    while left:
        module = left.pop()
        if module not in found:
            found.add(module)
            left += graph[module]
    return found


def test_loops_are_found() -> None:
    assert loops({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c"]]


def test_no_real_run_computes_with_the_synthetic_country() -> None:
    wrong = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for module, path in MODULES.items()
        if module.startswith(("croplayer", "stores")) and not module.startswith(ONLY_FOR_PIPELINES)
        for line, name in imports(path)
        if name.startswith(ONLY_FOR_PIPELINES)
    ]
    assert not wrong


def test_the_synthetic_country_could_be_a_package_of_its_own() -> None:
    allowed = (ONLY_FOR_PIPELINES, "croplayer.kernels.compiled", "stores")
    wrong = [
        f"{path.relative_to(REPOSITORY)}:{line} imports {name}"
        for module, path in MODULES.items()
        if module.startswith(ONLY_FOR_PIPELINES)
        for line, name in imports(path)
        if name.split(".")[0] in PACKAGES and not name.startswith(allowed)
    ]
    assert not wrong


def test_a_mosaic_is_made_of_little_code() -> None:
    closure = import_closure(["croplayer.tasks.mosaic"])
    lines = sum(len(MODULES[name].read_text(encoding="utf-8").splitlines()) for name in closure)
    # Of these 350 find out what a block is read from, and what the cube's groups are called.
    assert lines < 1750, f"{lines} lines in {sorted(closure)}"


def test_an_export_is_made_of_what_cuts_and_writes_it() -> None:
    closure = import_closure(["pipelines.stages.export"])
    assert "croplayer.cube.cuts" in closure
    assert not [
        name for name in closure if name.startswith(("croplayer.models", "croplayer.decisions", "croplayer.products"))
    ]


def test_tables_of_areas_do_not_depend_on_how_blocks_are_decided() -> None:
    for stage in ("aggregate", "compare", "evaluate"):
        closure = import_closure([f"pipelines.stages.{stage}"])
        assert not [name for name in closure if name.startswith(("croplayer.decisions", "croplayer.report"))], stage


def test_kernels_know_arrays_only() -> None:
    allowed = {"croplayer.kernels", "numpy", "numba", "llvmlite", "shapely", "affine"}
    allowed |= {"collections", "dataclasses", "enum", "functools", "math", "typing", "__future__"}
    wrong = [
        f"{path.name}:{line} imports {name}"
        for path in sorted((REPOSITORY / "croplayer/kernels").glob("*.py"))
        if path.name
        not in ("compiled.py", "machine_code.py")  # how they are compiled, where their machine code is kept
        for line, name in imports(path)
        if not any(f"{name}.".startswith(f"{a}.") for a in allowed)
    ]
    assert not wrong


def test_public_names_are_documented() -> None:
    bare = []
    for path in MODULES.values():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if not ast.get_docstring(tree):
            bare.append(f"{path.relative_to(REPOSITORY)} has no docstring")
        for line, name, text in public_names(tree.body):
            if not text and name not in LIBRARY_METHODS:
                bare.append(f"{path.relative_to(REPOSITORY)}:{line} {name}")
    assert not bare


def public_names(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[int, str, str | None]]:
    """Line, name and docstring of public functions, classes, methods and properties."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if "overload" in [getattr(d, "id", "") for d in node.decorator_list]:
            continue
        yield node.lineno, owner + node.name, ast.get_docstring(node)
        if isinstance(node, ast.ClassDef):
            yield from public_names(node.body, f"{owner}{node.name}.")


def test_public_names_are_those_of_classes_too() -> None:
    text = "class A:\n def b(self): ...\n def _c(self): ...\ndef _d(): ...\nclass _E:\n def f(self): ..."
    assert [name for _, name, _ in public_names(ast.parse(text).body)] == ["A", "A.b"]


def test_importing_croplayer_loads_nothing_heavy() -> None:
    code = "import sys, croplayer; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "xgboost", "geopandas", "matplotlib", "numba"} & set(loaded)


def test_the_version_stands_once_in_the_code_and_once_in_the_project() -> None:
    assert f'version = "{stores.__version__}"' in (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")


def test_the_public_names_are_there_and_documented() -> None:
    import croplayer

    assert sorted(dir(croplayer)) == sorted(croplayer.__all__)
    public = {name: getattr(croplayer, name) for name in croplayer.__all__ if name != "__version__"}
    assert all(thing.__doc__ for thing in public.values())
    with pytest.raises(AttributeError, match="no attribute 'open_cubes'"):
        croplayer.open_cubes  # noqa: B018
