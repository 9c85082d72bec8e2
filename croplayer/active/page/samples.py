"""The file of an area sample at the page: its points, and the labels that people agree on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from croplayer.active.geopackage import geometry_of, read_layers
from croplayer.active.judgements import Judgement
from croplayer.active.row_edits import RowEdit, edit_rows
from stores.grid import CRS


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

    @property
    def name(self) -> str:
        """What its points are called by in the journals."""
        return self.path.stem

    def write(self, point: str, said: Iterable[Judgement]) -> None:
        """Write the label of a point into the file.

        Where people differ the label stays empty and the note says what each said, so that an estimate counts the point as not
        labelled until they agree. Raises OSError when the file is in use.

        Parameters
        ----------
        said : the judgements of the point that stand
        """
        found = sorted((j for j in said if j.value), key=lambda j: j.person)
        values = {j.value for j in found}
        notes = [j.note for j in found if j.note]
        if len(values) > 1:
            notes = [f"{j.person}: {j.value}" for j in found] + notes
        number = self.numbers[[name for name, _, _ in self.points].index(point)]
        row = {"label": values.pop() if len(values) == 1 else "", "note": "; ".join(notes)}
        edit_rows(self.path, [RowEdit(self.layer, number, row, {})])
