"""The code of docs/contributing runs as it stands, and the pages name files and names that exist."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = sorted((REPOSITORY / "docs/contributing").glob("*.md"))
NOT_RUN = {"add_a_stage"}
"""Pages whose code needs a finished run."""
FENCE = re.compile(r"^( *)```(python|toml)\n(.*?)^\1```$", re.M | re.S)
FILE = re.compile(r"# (\w+\.(?:py|toml))\n")


def code_of(page: Path) -> list[str]:
    """The page's code in its order; a block in a list is moved to the margin."""
    return [textwrap.dedent(text) for _, _, text in FENCE.findall(page.read_text(encoding="utf-8"))]


def write_code(page: Path, folder: Path) -> Path:
    """Code that begins with a comment of a file's name as that file; the rest, in its order, as one script."""
    script = []
    for text in code_of(page):
        named = FILE.match(text)
        if named is None:
            script.append(text)
            continue
        (folder / named[1]).write_text(text, encoding="utf-8")
        if named[1].endswith(".py"):
            script.append(f"import {named[1].removesuffix('.py')}\n")
    path = folder / "whole_page.py"
    path.write_text("\n\n".join(script), encoding="utf-8")
    return path


@pytest.mark.parametrize("page", [p for p in PAGES if p.stem not in NOT_RUN], ids=lambda p: p.stem)
def test_the_code_runs(page: Path, tmp_path: Path) -> None:
    script = write_code(page, tmp_path)
    assert "assert" in script.read_text() and len(code_of(page)) >= 2
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {[str(tmp_path), str(REPOSITORY)]}; import {script.stem}"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    examples = set(re.findall(r"would live in\s+`([^`]+)`", text))
    named = set(re.findall(r"`((?:croplayer|stores|pipelines|tests)/[\w/.]*?[\w/])`", text)) - examples
    assert named and not [name for name in sorted(named) if not (REPOSITORY / name).exists()]
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_named_objects_exist(page: Path) -> None:
    """Names in capitals or with an underscore, and classes, are somewhere in the code or in the page's own example."""
    text = page.read_text(encoding="utf-8")
    prose = FENCE.sub("", text)
    named = set(re.findall(r"`(_?[A-Z][A-Za-z_]+|_?[a-z]+(?:_[a-z]+)+)`", prose))
    sources = [p for room in ("croplayer", "stores", "pipelines", "tests") for p in (REPOSITORY / room).rglob("*.py")]
    known = set(
        re.findall(r"\w+", "\n".join(p.read_text(encoding="utf-8") for p in sources) + "\n".join(code_of(page)))
    )
    assert not named - known
