"""What a Python file executes and what of ours it imports, from its syntax tree, remembered by the file's bytes.

The tree of a file takes far longer than the digest of its bytes, so what was found is kept in a file of the user's
cache. Only time depends on that file: one that is missing, damaged or cannot be written is as good as an empty one.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from stores.durable import digest_bytes, digest_text, write_durable

OURS = ("croplayer", "stores", "pipelines")
REMEMBERED = 1000
"""Largest number of files that are remembered; those that were read first are dropped."""


class Imported(NamedTuple):
    """A module that a file imports."""

    module: str
    names: tuple[str, ...]
    """What is imported from it, which may be modules themselves; empty for ``import module``."""


class Syntax(NamedTuple):
    """What a file executes."""

    digest: str
    """sha256 of its syntax tree without docstrings, comments and layout, 64 hexadecimal digits."""
    imports: tuple[Imported, ...]
    """Modules of ours that it imports, at its top or in functions; those for type checking alone are left out."""


def syntax_of(source: bytes) -> Syntax:
    """What a file with these bytes executes.

    Raises SyntaxError for what is not Python, ValueError for a relative import.
    """
    tree = ast.parse(source)
    told: list[str] = []
    _tell(tree, told)
    digest = hashlib.sha256()
    for text in told:
        digest.update(text.encode() + b"\0")
    imports = {found for statement in _executed(tree) for found in _imported(statement)}
    return Syntax(digest.hexdigest(), tuple(sorted(imports)))


class SyntaxCache:
    """`syntax_of` with a file that remembers what it found.

    Parameters
    ----------
    path : the file; it need not exist
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = Path(__file__).read_bytes() + repr(sys.version_info[:2]).encode()
        """The code and the Python that read the trees; what others found does not count."""
        self._known = self._read()
        self._new: dict[str, Any] = {}

    def of(self, source: bytes) -> Syntax:
        """What a file with these bytes executes; errors as `syntax_of`."""
        key = hashlib.sha256(self._reader + source).hexdigest()
        if key not in self._known:
            self._known[key] = self._new[key] = syntax_of(source)
        digest, imports = self._known[key]
        return Syntax(digest, tuple(Imported(module, tuple(names)) for module, names in imports))

    def write(self) -> None:
        """Keep what was found since the last time, where the file can be written."""
        if not self._new:
            return
        # Another process may have written meanwhile.
        entries = {**self._read(), **self._new}
        text = json.dumps(dict(list(entries.items())[-REMEMBERED:]))
        with suppress(OSError):
            write_durable(self.path, f"{digest_text(text)}\n{text}".encode())
        self._new = {}

    def _read(self) -> dict[str, Any]:
        """What the file holds, unless a byte of it is damaged."""
        try:
            digest, _, text = self.path.read_bytes().partition(b"\n")
        except OSError:
            return {}
        return json.loads(text) if digest_bytes(text).sha256.encode() == digest else {}


def _executed(node: ast.AST) -> Iterator[ast.stmt]:
    """All statements below a node, without those that only a type checker reads."""
    for name in node._fields:
        for child in _parts(getattr(node, name, None)):
            if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
                yield from _executed(ast.Module(child.orelse, []))
            elif isinstance(child, ast.stmt):
                yield child
                yield from _executed(child)
            elif isinstance(child, ast.excepthandler | ast.match_case):
                yield from _executed(child)


def _imported(statement: ast.stmt) -> Iterator[Imported]:
    if isinstance(statement, ast.Import):
        yield from (Imported(alias.name, ()) for alias in statement.names if _is_ours(alias.name))
    elif isinstance(statement, ast.ImportFrom) and statement.level:
        raise ValueError(f"line {statement.lineno} imports relatively; write the whole name of the module")
    elif isinstance(statement, ast.ImportFrom) and statement.module and _is_ours(statement.module):
        yield Imported(statement.module, tuple(alias.name for alias in statement.names))


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in OURS


def _tell(node: ast.AST, told: list[str]) -> None:
    """Append every part of a syntax tree, in order, without docstrings, positions and empty fields.

    Empty fields are left out because newer Pythons have more of them.
    """
    told.append(type(node).__name__)
    for name in node._fields:
        value = getattr(node, name, None)
        if name == "body" and isinstance(value, list):
            # A string that stands alone is a docstring, of a module, a class, a function or a field.
            value = [child for child in value if not _is_text(child)]
        if value is None or value == []:
            continue
        told.append(name)
        for part in _parts(value):
            if isinstance(part, ast.AST):
                _tell(part, told)
            else:
                told.append(repr(part))
    # Where the node ends: without it a statement could leave a loop, or an argument a call, unnoticed.
    told.append(")")


def _parts(value: Any) -> list[Any]:
    """The parts of a field of a node."""
    return value if isinstance(value, list) else [value]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
