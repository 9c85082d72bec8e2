"""Figures of a benchmark stand between their marks on a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.written import write_section

BEGIN, END = "<!-- written by benchmarks.update -->", "<!-- end -->"


def test_figures_are_written_between_their_marks_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for text in ("new", "newer"):
        write_section(page, "update", text)
        assert page.read_text() == f"before\n{BEGIN}\n{text}\n{END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="has no place for the figures"):
        write_section(page, "update", "new")
