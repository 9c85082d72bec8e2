"""The file of an area sample at the page: its points, and the labels that people agree on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from croplayer.active.geopackage import geometry_of, read_layers
from croplayer.active.judgements import Judgement
from croplayer.active.row_edits import ChangedElsewhereError, RowEdit, edit_rows
from stores.durable import write_durable
from stores.file_names import file_name
from stores.grid import CRS

WRITTEN = "samples"
"""Folder in a label project that says what the page has written into each sample."""


class Row(NamedTuple):
    """What the page writes of a point."""

    label: str
    note: str


@dataclass(frozen=True)
class Sample:
    """A drawn sample whose points people label."""

    path: Path
    layer: str
    points: tuple[tuple[str, float, float], ...]
    """Id, longitude and latitude."""
    numbers: tuple[int, ...]
    """Number of the row of each point."""

    @classmethod
    def open(cls, path: Path) -> Sample:
        """The sample of a GeoPackage that `croplayer area draw` wrote; raises FileNotFoundError or ValueError for another."""
        if path.suffix != ".gpkg":
            raise ValueError(f"sample {path} ends in '{path.suffix}'; give the .gpkg file that was drawn with it")
        if not path.is_file():
            raise FileNotFoundError(f"sample {path} does not exist")
        for name, layer in read_layers(path).items():
            if {"id", "label", "note"} <= {*layer.columns} and layer.crs == CRS:
                points, numbers = [], []
                for feature in layer.features:
                    at = geometry_of(feature.blob or b"")
                    points.append((str(feature.values["id"]), float(at.x), float(at.y)))
                    numbers.append(feature.number)
                return cls(path, name, tuple(points), tuple(numbers))
        raise ValueError(
            f"sample {path} has no layer of points with id, label and note; draw it with `croplayer area draw`"
        )

    @cached_property
    def name(self) -> str:
        """What its points are called by in the journals: the file's name and a digest of the points.

        The ids of every drawn sample are the same, so that the points tell one from another.
        """
        digest = hashlib.sha256(json.dumps(sorted(self.points)).encode()).hexdigest()
        return f"{self.path.stem}-{digest[:8]}"

    def row(self, said: Iterable[Judgement]) -> Row:
        """Label and note of a point: where people differ the label is empty and the note says what each said.

        So an estimate counts the point as not labelled until they agree.

        Parameters
        ----------
        said : the judgements of the point that stand
        """
        found = sorted((j for j in said if j.value), key=lambda j: j.person)
        values = {j.value for j in found}
        notes = [j.note for j in found if j.note]
        if len(values) > 1:
            notes = [f"{j.person}: {j.value}" for j in found] + notes
        return Row(values.pop() if len(values) == 1 else "", "; ".join(notes))

    def write(self, folder: Path, point: str, row: Row) -> None:
        """Write label and note of a point into the file, if nobody has set others there.

        What the page has written is noted in the label project, and only that or an empty row is written over.

        Parameters
        ----------
        folder : the label project's folder

        Raises
        ------
        ChangedElsewhereError
            if another program has set the label or the note
        OSError
            when a file is in use or cannot be written
        """
        noted = folder / WRITTEN / file_name(self.name, ".json")
        written = _read_written(noted)
        number = self.numbers[[name for name, _, _ in self.points].index(point)]
        stored = {f.number: f.values for f in read_layers(self.path)[self.layer].features}.get(number, {})
        seen = {name: stored.get(name) for name in Row._fields}
        now = Row(*(str(value or "") for value in seen.values()))
        if now not in (row, Row("", ""), written.get(point)):
            raise ChangedElsewhereError(
                f"the label or note of {point} was set in {self.path} by another program, and stays as it is there"
            )
        if now != row:
            edit_rows(self.path, [RowEdit(self.layer, number, row._asdict(), seen)])
        if written.get(point) != row:
            stated = json.dumps(written | {point: row}, ensure_ascii=False, indent=0, sort_keys=True)
            write_durable(noted, stated.encode())


def _read_written(noted: Path) -> dict[str, Row]:
    """What the page has written, by point; nothing where that is not known, so that nothing is written over."""
    try:
        return {str(point): Row(*row) for point, row in json.loads(noted.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
