"""Digest of the code that a step was made of: its modules and all of ours that they import.

Docstrings, comments and the layout of the code do not count, because they change no result. Only what the modules
execute counts, so editing a command or a report page does not change the digest of a map.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

OURS = ("croplayer", "stores", "pipelines")
VERSION = "stores"
"""The module of the version, which bundles and requests name: a release alone must not redo a map."""
NOT_FOLLOWED = ("pipelines.engine", "pipelines.recipe")
"""Prefixes of the modules that run steps and read recipes; what they pass to a step is among its settings and inputs."""


class _Module(NamedTuple):
    """Digest of what one of our modules executes, and which of ours it imports."""

    digest: bytes
    imports: frozenset[str]


@cache
def code_digest(modules: tuple[str, ...]) -> str:
    """Digest of what some modules and all of ours that they import execute, including the page templates beside them."""
    digest = hashlib.sha256()
    closure = sorted(import_closure(modules))
    for name in closure:
        digest.update(name.encode() + _module(name).digest)
    folders = {path.parent for name in closure if (path := _path(name)) is not None}
    for page in sorted({page for folder in folders for page in folder.glob("templates/*.html")}):
        digest.update(page.name.encode() + page.read_bytes())
    return digest.hexdigest()


def import_closure(modules: Iterable[str]) -> set[str]:
    """Some modules and all of ours that they import, whether at their top or when a function runs.

    Imports for type checking alone are not followed, nor are the packages above a module: their ``__init__`` files
    hold no results.
    """
    found: set[str] = set()
    left = list(modules)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [i for i in _module(name).imports if i != VERSION and not i.startswith(NOT_FOLLOWED)]
    return found


def modules_of(task: object) -> set[str]:
    """Modules of ours that define a task and everything it holds: its sources, its products, its cube."""
    return {name for name in _defining(task) if name.split(".")[0] in OURS}


def _defining(value: Any) -> Iterator[str]:
    if isinstance(value, tuple | list | frozenset):
        for part in value:
            yield from _defining(part)
    elif isinstance(value, Mapping):
        yield from _defining(tuple(value.values()))
    elif is_dataclass(value) and not isinstance(value, type):
        yield type(value).__module__
        for each in fields(value):
            yield from _defining(getattr(value, each.name))


@lru_cache(maxsize=1024)
def _module(name: str) -> _Module:
    path = _path(name)
    if path is None:
        return _Module(b"", frozenset())
    tree = ast.parse(path.read_bytes())
    imports = {found for node in _executed(tree) for found in _imported(node)}
    digest = hashlib.sha256()
    for text in _told(tree):
        digest.update(text.encode() + b"\0")
    return _Module(digest.digest(), frozenset(imports - {name}))


def _path(name: str) -> Path | None:
    """File of a module; None for a name that is not a module, or for a package without a file."""
    found = importlib.util.find_spec(name.split(".")[0])
    if found is None or not found.submodule_search_locations:
        return None
    base = Path(next(iter(found.submodule_search_locations))).joinpath(*name.split(".")[1:])
    if base.with_suffix(".py").is_file():
        return base.with_suffix(".py")
    return base / "__init__.py" if (base / "__init__.py").is_file() else None


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all below it, without what only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in child.orelse:
                yield from _executed(other)
            continue
        yield from _executed(child)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.split(".")[0] in OURS)
    elif isinstance(node, ast.ImportFrom) and node.level:
        raise ValueError(f"line {node.lineno} imports relatively; write the whole name of the module")
    elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS:
        below = {f"{node.module}.{alias.name}" for alias in node.names}
        modules = {name for name in below if _path(name) is not None}
        yield from modules
        if len(modules) < len(below):
            yield node.module


def _told(node: ast.AST) -> Iterator[str]:
    """Every part of a syntax tree, in order, without docstrings, positions and empty fields.

    Empty fields are left out because newer Pythons have more of them.
    """
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(value, list):
            # A string that stands alone is a docstring, of a module, a class, a function or a field.
            value = [child for child in value if not _is_text(child)]
        if value is None or value == []:
            continue
        yield name
        for part in value if isinstance(value, list) else (value,):
            if isinstance(part, ast.AST):
                yield from _told(part)
            else:
                yield repr(part)
    # Where the node ends: without it a statement could leave a loop, or an argument a call, unnoticed.
    yield ")"


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
