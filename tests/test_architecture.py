"""The house: imports point one way, public names are documented, commands and files that are advertised exist."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from shared.places import REPOSITORY

MAY_IMPORT = {
    "croplayer": {"croplayer"},
    "stores": {"croplayer", "stores"},
    "pipelines": {"croplayer", "stores", "pipelines"},
}
OURS = set(MAY_IMPORT)


def sources(room: str) -> Iterator[Path]:
    yield from sorted((REPOSITORY / room).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_imports_point_one_way(room: str) -> None:
    wrong = [
        f"{path.relative_to(REPOSITORY)}:{line} imports {name}"
        for path in sources(room)
        for line, name in imports(path)
        if name.split(".")[0] in OURS - MAY_IMPORT[room]
    ]
    assert not wrong


def test_kernels_know_arrays_only() -> None:
    allowed = {
        "croplayer.kernels",
        "croplayer.kernels.compiled",
        "numpy",
        "numba",
        "llvmlite",
        "shapely",
        "affine",
        "collections",
        "typing",
        "math",
        "__future__",
    }
    wrong = [
        f"{path.name}:{line} imports {name}"
        for path in sources("croplayer/kernels")
        for line, name in imports(path)
        if not any(name == a or name.startswith(a + ".") for a in allowed | {"dataclasses", "functools", "enum"})
    ]
    assert not wrong


def test_public_names_are_documented() -> None:
    bare = []
    for room in MAY_IMPORT:
        for path in sources(room):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if not ast.get_docstring(tree):
                bare.append(f"{path.relative_to(REPOSITORY)} has no docstring")
            for node in tree.body:
                named = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
                if named and "overload" in [getattr(d, "id", "") for d in node.decorator_list]:
                    continue
                if named and room == "croplayer" and not ast.get_docstring(node):
                    bare.append(f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}")
    assert not bare


def test_importing_croplayer_loads_nothing_heavy() -> None:
    code = "import sys, croplayer; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "xgboost", "geopandas", "matplotlib", "numba"} & set(loaded)


def test_the_readme_names_commands_that_exist() -> None:
    from pipelines.cli import main

    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    named = set(
        re.findall(r"`?croplayer ([a-z]+)\b", " ".join(re.findall(r"`[^`]+`|^    .*$|^croplayer.*$", text, re.M)))
    )
    assert {"run", "query", "verify", "plan"} <= named
    assert named <= set(main.commands), named - set(main.commands)
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z]+)`?", text):
        assert f"\n{target}:" in makefile, f"make {target}"


def test_the_readme_names_files_that_exist() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (REPOSITORY / link).exists(), link
