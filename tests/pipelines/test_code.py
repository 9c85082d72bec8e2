"""The digest of a step's code: what it follows, what changes it, and what does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from croplayer.tasks.mosaic import MosaicTask
from pipelines.engine.code import _modules, code_digest, import_closure, modules_of
from pipelines.engine.syntax import syntax_of
from pipelines.stages.order import all_rules
from stores.grid import BlockIndex


def digest(code: str) -> str:
    return syntax_of(code.encode()).digest


CODE = '''
"""A module."""
LIMIT = 3
"""How many."""

def area(rows: int) -> int:
    """The area."""
    # Rows are square.
    return rows * rows
'''


@pytest.mark.parametrize(
    "edited",
    [
        CODE.replace("A module", "Another module"),
        CODE.replace("How many", "At most so many"),
        CODE.replace("The area", "Area of rows"),
        CODE.replace("    # Rows are square.\n", ""),
        CODE.replace("rows * rows", "(rows\n        * rows)"),
        CODE.replace('    """The area."""\n', ""),
    ],
)
def test_docstrings_comments_and_layout_do_not_count(edited: str) -> None:
    assert edited != CODE
    assert digest(edited) == digest(CODE)


@pytest.mark.parametrize(
    "edited",
    [
        CODE.replace("LIMIT = 3", "LIMIT = 4"),
        CODE.replace("LIMIT = 3", "LIMIT = '3'"),
        CODE.replace("rows * rows", "rows + rows"),
        CODE.replace("def area(rows: int)", "def area(rows: int = 2)"),
        CODE.replace("return rows * rows", "return 'The area.'"),
        CODE.replace("area", "areas"),
        CODE.replace("return rows * rows", "while rows:\n        rows -= 1\n        LIMIT\n    return rows"),
    ],
)
def test_everything_else_counts(edited: str) -> None:
    assert digest(edited) != digest(CODE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("if a:\n    x()\ny()", "if a:\n    x()\n    y()"),
        ("for i in s:\n    t += i\nu()", "for i in s:\n    t += i\n    u()"),
        ("f(g(x), y)", "f(g(x, y))"),
        ("max(min(a), b)", "max(min(a, b))"),
        ("[[1], 2]", "[[1, 2]]"),
        ("def f():\n    pass\ng()", "def f():\n    pass\n    g()"),
    ],
)
def test_what_belongs_to_what_counts(one: str, other: str) -> None:
    assert digest(one) != digest(other)


def test_imports_of_functions_are_followed_and_those_of_types_are_not() -> None:
    closure = import_closure(["croplayer.tasks.segment"])
    assert {"croplayer.models.networks.inference", "croplayer.models.bundles.bundle", "stores.grid"} <= closure
    assert not {name for name in closure if name.startswith(("pipelines", "croplayer.landscape", "croplayer.report"))}


def test_a_release_alone_redoes_nothing() -> None:
    for rule in all_rules():
        assert "stores" not in import_closure(rule.code), rule.name
    assert "stores" not in import_closure(["croplayer.sources.http_tiles", "croplayer.models.training.coverage"])


def test_the_page_templates_count_in_the_report_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read.append(path), real(path))[1])
    for rule in all_rules():
        read.clear()
        code_digest.__wrapped__(rule.code)
        pages = [path.name for path in read if path.suffix == ".html"]
        assert len(pages) == len(set(pages)) and bool(pages) == (rule.name == "report"), rule.name


def test_what_a_task_holds_counts_with_it() -> None:
    @dataclass(frozen=True)
    class Holder:
        parts: tuple[object, ...]

    task = Holder((MosaicTask(None, ()), BlockIndex(1, 2)))  # type: ignore[arg-type]
    assert "croplayer.tasks.mosaic" in modules_of(task)


def test_a_name_that_is_imported_stands_for_its_module() -> None:
    assert modules_that("from stores.grid import BlockGrid, CRS") == {"stores.grid"}
    assert modules_that("from stores import grid, __version__") == {"stores.grid", "stores"}
    assert modules_that("import stores.grid as lattice, numpy") == {"stores.grid"}


def modules_that(code: str) -> set[str]:
    return {module for imported in syntax_of(code.encode()).imports for module in _modules(imported)}


def test_an_edited_command_or_page_of_the_doctor_redoes_nothing() -> None:
    for rule in all_rules():
        closure = import_closure(rule.code)
        assert not {
            name for name in closure if name.startswith(("pipelines.commands", "pipelines.doctor", "pipelines.cli"))
        }


def test_the_maps_do_not_depend_on_the_report() -> None:
    for rule in all_rules():
        if rule.name not in ("report", "review", "reviews", "judge", "decide"):
            assert not {n for n in import_closure(rule.code) if n.startswith("croplayer.report")}, rule.name


def test_the_digest_is_of_all_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    assert code_digest(("croplayer.tasks.mosaic",)) != code_digest(("croplayer.tasks.describe",))
    assert code_digest(("croplayer.tasks.mosaic",)) == code_digest(("croplayer.tasks.mosaic",))
