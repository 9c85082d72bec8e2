"""Digest of the code that a step was made of: its modules and all of ours that they import.

Docstrings, comments and the layout of the code do not count, because they change no result. Only what the modules
execute counts, so editing a command or a report page does not change the digest of a map.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from pipelines.engine.syntax import OURS, Imported, SyntaxCache

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
    _syntax().write()
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
    syntax = _syntax().of(path.read_bytes())
    imports = {module for imported in syntax.imports for module in _modules(imported)}
    return _Module(bytes.fromhex(syntax.digest), frozenset(imports - {name}))


@cache
def _syntax() -> SyntaxCache:
    return SyntaxCache(platformdirs.user_cache_path("croplayer") / "syntax.json")


def _modules(imported: Imported) -> set[str]:
    """The modules that an import names: a name that is imported from a package may be a module of it."""
    if not imported.names:
        return {imported.module}
    below = {f"{imported.module}.{name}" for name in imported.names}
    modules = {name for name in below if _path(name) is not None}
    return modules | ({imported.module} if len(modules) < len(below) else set())


@lru_cache(maxsize=4096)
def _path(name: str) -> Path | None:
    """File of a module; None for a name that is not a module, or for a package without a file."""
    package, *parts = name.split(".")
    folder = _folder(package)
    if folder is None:
        return None
    base = folder.joinpath(*parts)
    if base.with_suffix(".py").is_file():
        return base.with_suffix(".py")
    return base / "__init__.py" if (base / "__init__.py").is_file() else None


@cache
def _folder(package: str) -> Path | None:
    found = importlib.util.find_spec(package)
    return Path(next(iter(found.submodule_search_locations))) if found and found.submodule_search_locations else None
