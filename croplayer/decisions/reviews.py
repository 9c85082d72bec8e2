"""Reading reviewed blocks and manual overrides from CSV or GeoPackage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

import pandas as pd

from croplayer.files.text_tables import read_text_table
from croplayer.vector.read import read_vector
from stores.block_list import BlockList
from stores.columns import map_column
from stores.grid import BlockIndex
from stores.legends import DEFAULT_CLASSES, CorrectnessClasses, Integration

INTEGRATION_LABELS = tuple(choice.label for choice in Integration)
REFERENCE = "reference "
"""Start of the reviewer's name if the reviewer is a map and not a person."""


def read_reviews(
    paths: Iterable[Path], sources: Sequence[str], classes: CorrectnessClasses = DEFAULT_CLASSES
) -> pd.DataFrame:
    """Read the reviewed blocks of one or more files into one table.

    A file has the column block and one or more of correctness_SOURCE (one of the classes) and integration
    (Neither, Only A, Only B or Merge both); an empty field means not reviewed. The columns reviewer and note
    are optional; other columns are ignored.

    Returns
    -------
    DataFrame with columns block, correctness_SOURCE of every source, integration (labels, None where not reviewed)
    and reviewer (empty where not stated); blocks without any review are left out.

    Raises
    ------
    ValueError
        naming file, row, field and what was expected.
    """
    allowed = {map_column("correctness", s): classes.labels for s in sources} | {"integration": INTEGRATION_LABELS}
    parts = []
    seen: dict[str, str] = {}
    for path in paths:
        table = _read_table(path, ("block",))
        fields = [c for c in allowed if c in table.columns]
        strangers = [c for c in table.columns if c.startswith("correctness_") and c not in allowed]
        if strangers:
            raise ValueError(f"{path} has the column '{strangers[0]}'; the run's sources are {', '.join(sources)}")
        if not fields:
            raise ValueError(f"{path} has no column with a review; expected one or more of {', '.join(allowed)}")
        _check_blocks(path, table, seen)
        part = pd.DataFrame({"block": table.block})
        for column, labels in allowed.items():
            part[column] = _labels(path, table[column], labels) if column in fields else None
        part["reviewer"] = table.get("reviewer", "")
        parts.append(part)
    reviews = pd.concat(parts, ignore_index=True)
    return reviews[reviews[list(allowed)].notna().any(axis=1)].reset_index(drop=True)


def who_reviewed(paths: Iterable[Path]) -> dict[str, str]:
    """Who reviewed each block, in which file and with which note, in words by the block's name.

    A file that is not there, or is no file of reviews, is left out: reviews are kept by people, who may have moved them since.
    """
    found = {}
    for path in paths:
        try:
            table = _read_table(path, ("block",))
        except (OSError, ValueError):
            continue
        for row, (_, review) in enumerate(table.iterrows()):
            who = f"reviewed by {review['reviewer']}" if review.get("reviewer") else "reviewed"
            note = f": {review['note']}" if review.get("note") else ""
            found[str(review["block"])] = f"{who} in {_place(Path(path.name), row)}{note}"
    return found


def read_overrides(path: Path) -> pd.DataFrame:
    """Read manual decisions, which take precedence: columns block, integration (label), reason, and author and date (YYYY-MM-DD).

    Author and date may be missing as columns; all others are there, and all are filled in. Raises ValueError naming file,
    row and field otherwise.
    """
    table = _read_table(path, ("block", "integration", "reason"))
    _check_blocks(path, table, {})
    table["integration"] = _labels(path, table.integration, INTEGRATION_LABELS)
    for row, (integration, reason) in enumerate(zip(table.integration, table.reason, strict=True)):
        if integration is None:
            raise ValueError(
                f"{_place(path, row)}: integration is empty; expected one of {', '.join(INTEGRATION_LABELS)}"
            )
        if not reason:
            raise ValueError(f"{_place(path, row)}: reason is empty; say why the decision is overridden")
    told = [name for name in ("author", "date") if name in table]
    for name in told:
        for row, text in enumerate(table[name]):
            if not text:
                raise ValueError(f"{_place(path, row)}: {name} is empty; fill it in, or remove the column")
            if name == "date" and not _is_date(text):
                raise ValueError(f"{_place(path, row)}: date '{text}' is no date; expected a form like 2024-05-31")
    return table[["block", "integration", "reason", *told]]


def of_mapped_blocks(table: pd.DataFrame, mapped: Iterable[str], blocks: BlockList) -> tuple[pd.DataFrame, list[str]]:
    """The rows of the blocks that a run has mapped, and the names in the other rows, sorted.

    Parameters
    ----------
    table : reviews or overrides, with the column block
    mapped : names of the mapped blocks
    blocks : all blocks of the run

    Raises
    ------
    ValueError for a block that does not belong to the run.
    """
    unknown = [name for name in table.block if BlockIndex.parse(name) not in blocks]
    if unknown:
        raise ValueError(
            f"block {unknown[0]} of the reviews or overrides is none of the run's {len(blocks)} blocks; correct its "
            "name or remove its row"
        )
    is_mapped = table.block.isin(set(mapped))
    return table[is_mapped].reset_index(drop=True), sorted(table.block[~is_mapped])


def no_reviews(sources: Sequence[str]) -> pd.DataFrame:
    """A table of reviews without a row."""
    columns = ["block", *(map_column("correctness", s) for s in sources), "integration", "reviewer"]
    return pd.DataFrame(columns=columns, dtype=object)


def reviewed_by(reviews: pd.DataFrame | None) -> str:
    """Description of the reviewers: people, or the reference map that the labels were computed from; "nobody" for None."""
    if reviews is None:
        return "nobody"
    references = sorted({r for r in reviews.reviewer if r.startswith(REFERENCE)})
    people = any(not r.startswith(REFERENCE) for r in reviews.reviewer)
    machines = [f"the {r} (labels computed from it, not seen by a person)" for r in references]
    return " and ".join([*(["people"] if people else []), *machines])


def _read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """A review file as text, stripped; raises when it is missing, of another kind or lacks a column."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; expected a file of reviews")
    if path.suffix == ".csv":
        table = read_text_table(path, "reviews")
    elif path.suffix == ".gpkg":
        frame = read_vector(path, "reviews")
        table = pd.DataFrame(frame.drop(columns=frame.geometry.name))
        table = table.astype(object).where(table.notna(), "").astype(str)
    else:
        raise ValueError(f"{path} is neither .csv nor .gpkg; save it as one of them")
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise ValueError(f"{path} has no column '{missing[0]}'; it has {', '.join(table.columns)}")
    return table.apply(lambda c: c.str.strip())


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _place(path: Path, row: int) -> str:
    """A row as editors count it: lines of a CSV after the header in line 1, features of a GeoPackage from 1."""
    return f"{path} row {row + 2}" if path.suffix == ".csv" else f"{path} feature {row + 1}"


def _check_blocks(path: Path, table: pd.DataFrame, seen: dict[str, str]) -> None:
    """Raise for a name that is no block or occurred in an earlier row or file; adds the others to ``seen``."""
    for row, block in enumerate(table.block):
        place = _place(path, row)
        try:
            BlockIndex.parse(block)
        except ValueError as error:
            raise ValueError(f"{place}: block: {error}") from None
        if block in seen:
            raise ValueError(f"{place}: block {block} appears twice, first in {seen[block]}; keep one of them")
        seen[block] = place


def _labels(path: Path, column: pd.Series, labels: Sequence[str]) -> list[str | None]:
    known: Mapping[str, str] = {label.casefold(): label for label in labels}
    found: list[str | None] = []
    for row, text in enumerate(column):
        if text and text.casefold() not in known:
            raise ValueError(
                f"{_place(path, row)}: {column.name} '{text}' is unknown; expected one of {', '.join(labels)}, or empty"
            )
        found.append(known[text.casefold()] if text else None)
    return found
