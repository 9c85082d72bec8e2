"""Figures of a benchmark on a page of the documentation, between marks that name the benchmark."""

from __future__ import annotations

from pathlib import Path

END = "<!-- end -->"


def write_section(page: Path, benchmark: str, text: str) -> None:
    """Put figures between the marks of a benchmark; raises ValueError for a page without them."""
    begin = f"<!-- written by benchmarks.{benchmark} -->"
    before, mark, rest = page.read_text(encoding="utf-8").partition(begin)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{page} has no place for the figures; expected a line {begin} and a line {END}")
    page.write_text(f"{before}{begin}\n{text}\n{END}{after}", encoding="utf-8")
