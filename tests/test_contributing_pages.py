"""The code of docs/contributing runs as it stands, and the pages name files and objects that exist."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from shared.places import REPOSITORY

PAGES = sorted((REPOSITORY / "docs/contributing").glob("*.md"))
ROOMS = ("croplayer", "stores", "pipelines", "tests")
FENCE = re.compile(r"^( *)```(python|toml)\n(.*?)^\1```$", re.M | re.S)
FILE = re.compile(r"# ([\w/]+\.(?:py|toml))\n")


def code_of(page: Path) -> list[str]:
    """The page's code in its order; a block in a list is moved to the margin."""
    return [textwrap.dedent(text) for _, _, text in FENCE.findall(page.read_text(encoding="utf-8"))]


def write_code(page: Path, folder: Path) -> Path:
    """Code that begins with a comment of a file's path as that file; the rest, in its order, as one script.

    Modules are found in the package whose folder their path names.
    """
    script = []
    for text in code_of(page):
        named = FILE.match(text)
        if named is None:
            script.append(text)
            continue
        path = folder / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if path.suffix == ".py":
            package = ".".join(Path(named[1]).parts[:-1])
            script.append(f"import {package}\n{package}.__path__.append({str(path.parent)!r})\n")
    whole = folder / "whole_page.py"
    whole.write_text("\n\n".join(script), encoding="utf-8")
    return whole


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_code_runs(page: Path, tmp_path: Path) -> None:
    script = write_code(page, tmp_path)
    assert "assert" in script.read_text() and len(code_of(page)) >= 2
    # Without the folder of the page on the path, so that its packages are not taken for ours.
    start = (
        f"import sys; sys.path[:1] = [{str(REPOSITORY)!r}]; exec(compile(open({str(script)!r}).read(), 'page', 'exec'))"
    )
    done = subprocess.run([sys.executable, "-c", start], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(rf"`((?:{'|'.join(ROOMS)})/[\w/.]*?[\w/])`", text))
    assert named and not [name for name in sorted(named) if not (REPOSITORY / name).exists()]
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_named_objects_exist(page: Path) -> None:
    """Classes, constants and names with an underscore are in our code or in the page's own example."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    named = set(re.findall(r"`(_?[A-Z][A-Za-z_]+|_?[a-z]+(?:_[a-z]+)+)`", prose))
    files = [path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")]
    code = [*(path.read_text(encoding="utf-8") for path in files), *code_of(page)]
    missing = named - set(re.findall(r"\w+", "\n".join(code)))
    assert not missing, missing
