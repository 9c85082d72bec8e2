"""The site of the documentation: its contents hold every page, `make docs` builds it, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from shared.pages import PAGES, name_of
from shared.places import REPOSITORY

TOC = REPOSITORY / "docs/_toc.yml"


def listed(part: dict[str, Any]) -> list[str]:
    """Pages that a part of the contents names, or their patterns, without endings."""
    own = [part[key] for key in ("root", "file", "glob") if key in part]
    below = [entry for tree in part.get("subtrees", []) for entry in tree["entries"]]
    return own + [name for entry in below for name in listed(entry)]


def test_the_contents_hold_every_page_once() -> None:
    names = listed(yaml.safe_load(TOC.read_text(encoding="utf-8")))
    paths = [*PAGES, REPOSITORY / "CHANGELOG.md", *(REPOSITORY / "notebooks").glob("*.ipynb")]
    for page in (name_of(path).rpartition(".")[0] for path in paths):
        assert len([name for name in names if fnmatch(page, name)]) == 1, page
    for name in names:
        assert list(REPOSITORY.glob(f"{name}.md")) + list(REPOSITORY.glob(f"{name}.ipynb")), name


class Links(HTMLParser):
    """Targets of links, ids, and what a page loads."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.loaded: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        told = {name: value for name, value in attributes if value}
        if "id" in told:
            self.ids.add(told["id"])
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        if tag in ("script", "img") and "src" in told:
            self.loaded.append(told["src"])
        if tag == "link" and told.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(told.get("href", ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as the command of `make docs` builds it, with warnings as errors."""
    pytest.importorskip("sphinx_external_toc", reason="the extra docs is not installed")
    (command,) = re.findall(r"-m (sphinx .+)$", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.M)
    folder = tmp_path_factory.mktemp("site")
    given = [word.replace("build/", f"{folder}/") for word in shlex.split(command)]
    done = subprocess.run([sys.executable, "-m", *given], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "docs"


def test_links_lead_to_pages_files_and_headings(site: Path) -> None:
    pages = {path.resolve(): Links(path) for path in site.rglob("*.html")}
    assert len(pages) > 30
    found = 0
    for page, told in pages.items():
        for link in told.links:
            parts = urlsplit(link)
            if parts.scheme or not (parts.path or parts.fragment):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.exists(), f"{page.name}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].ids, f"{page.name}: {link}"
            found += 1
    assert found > 1000


def test_pages_load_nothing_from_a_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not [source for source in Links(page).loaded if urlsplit(source).netloc], page.name


def test_the_first_page_leads_to_the_site(site: Path) -> None:
    (target,) = re.findall(r'url=([^"]+)"', (site / "index.html").read_text(encoding="utf-8"))
    assert (site / target).is_file()
