"""What Python files execute and import, and the file that remembers it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from shared.places import REPOSITORY

from pipelines.engine import syntax
from pipelines.engine.syntax import Imported, SyntaxCache, syntax_of

SOURCE = b"from stores.grid import CRS\nx = CRS\n"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The files whose trees were read since the test began."""
    read: list[bytes] = []
    real = ast.parse
    monkeypatch.setattr(ast, "parse", lambda source: (read.append(source), real(source))[1])
    return read


@pytest.mark.parametrize(
    "code",
    [
        "import stores.grid",
        "def f():\n    import stores.grid",
        "class A:\n    async def f(self):\n        with a:\n            import stores.grid",
        "try:\n    pass\nexcept ImportError:\n    import stores.grid",
        "try:\n    pass\nfinally:\n    import stores.grid",
        "for i in a:\n    pass\nelse:\n    import stores.grid",
        "match a:\n    case 1:\n        import stores.grid",
        "if TYPE_CHECKING:\n    import stores.ledger\nelse:\n    import stores.grid",
        "if a:\n    pass\nelif TYPE_CHECKING:\n    import stores.ledger\nelse:\n    import stores.grid",
    ],
)
def test_imports_are_found_wherever_they_stand(code: str) -> None:
    assert syntax_of(code.encode()).imports == (Imported("stores.grid", ()),)


def test_a_relative_import_is_refused_and_not_remembered(tmp_path: Path) -> None:
    known = SyntaxCache(tmp_path / "syntax.json")
    for _ in range(2):
        with pytest.raises(ValueError, match="line 2 imports relatively"):
            known.of(b"\nfrom . import grid")


def test_what_is_remembered_is_what_the_trees_say(tmp_path: Path, parsed: list[bytes]) -> None:
    sources = [path.read_bytes() for path in sorted((REPOSITORY / "stores").glob("*.py"))]
    told = [syntax_of(source) for source in sources]
    known = SyntaxCache(tmp_path / "syntax.json")
    assert [known.of(source) for source in sources] == told
    known.write()
    parsed.clear()
    again = SyntaxCache(tmp_path / "syntax.json")
    assert [again.of(source) for source in sources] == told and not parsed


def test_an_edited_file_and_an_edited_reader_are_read_again(
    tmp_path: Path, parsed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = SyntaxCache(tmp_path / "syntax.json")
    known.of(SOURCE)
    known.write()
    parsed.clear()
    edited = SOURCE + b"y = 2\n"
    assert SyntaxCache(tmp_path / "syntax.json").of(edited) != known.of(SOURCE) and parsed == [edited]
    reader = tmp_path / "syntax.py"
    reader.write_bytes(Path(syntax.__file__).read_bytes() + b"# edited")
    monkeypatch.setattr(syntax, "__file__", str(reader))
    assert SyntaxCache(tmp_path / "syntax.json").of(SOURCE) == known.of(SOURCE) and parsed == [edited, SOURCE]


def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, parsed: list[bytes]) -> None:
    path = tmp_path / "syntax.json"
    known = SyntaxCache(path)
    told = known.of(SOURCE)
    known.write()
    whole = path.read_bytes()
    at = whole.index(told.digest.encode())
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    for damaged in (b"", b"\n", whole[:-1], whole[10:], flipped, b"\xff" * 80):
        path.write_bytes(damaged)
        parsed.clear()
        again = SyntaxCache(path)
        assert again.of(SOURCE) == told and parsed == [SOURCE]
        again.write()
        assert path.read_bytes() == whole


def test_a_place_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    known = SyntaxCache(tmp_path / "file" / "syntax.json")
    known.of(SOURCE)
    known.write()
    assert (tmp_path / "file").read_text() == "in the way"


def test_two_processes_keep_what_both_found_and_no_more_than_fits(
    tmp_path: Path, parsed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syntax, "REMEMBERED", 3)
    path = tmp_path / "syntax.json"
    sources = [f"x = {i}".encode() for i in range(4)]
    for one, other in (sources[:2], sources[2:]):
        first, second = SyntaxCache(path), SyntaxCache(path)
        first.of(one)
        second.of(other)
        first.write()
        second.write()
    parsed.clear()
    last = SyntaxCache(path)
    for source in (*sources[1:], sources[0]):
        last.of(source)
    assert parsed == [sources[0]]
