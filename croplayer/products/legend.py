"""Meaning of the codes of an existing map, from a legend file; legends of the paper's eight maps are included."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stores.near_names import did_you_mean

LEGENDS = Path(__file__).parent / "legends"

Land = Literal["crop", "paddy", "orchard", "greenhouse", "fallow"]
SWITCHES = ("paddy", "orchard", "greenhouse", "fallow")
"""Kinds of land that a comparison may count as cropland or not; "crop" is always counted."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LegendClass(_Part):
    """A code of the map."""

    name: str
    land: Land | None = None
    """Kind of farmed land; None for any other class."""
    counted: bool = False
    """Whether it counts as cropland unless it is excluded; "crop" always does."""


class Definition(_Part):
    """What the map's own cropland includes according to its authors: in, out, or empty if not stated."""

    paddy: Literal["in", "out", ""] = ""
    orchard: Literal["in", "out", ""] = ""
    greenhouse: Literal["in", "out", ""] = ""
    fallow: Literal["in", "out", ""] = ""


class LegendFile(_Part):
    """A legend file: TOML with these keys."""

    key: str
    title: str
    year: int | None = None
    licence: str = ""
    source: str = ""
    """Where the map is published."""
    resolution_m: float | None = None
    """Edge of a pixel on the ground, m; None where it is not stated."""
    accuracy: str = ""
    """Accuracy that its authors declare, with what it is of; empty if not stated."""
    note: str = ""
    """What to know before comparing with it."""
    nodata: tuple[int, ...] = ()
    """Codes without information, such as clouds."""
    overlap: Literal["first", "utm"] = "first"
    """Which file counts where several overlap: the first by name, or the one of the pixel's UTM zone."""
    repeated_strips: bool = False
    """Whether files may repeat rows and columns at their edge, which are then left out."""
    definition: Definition = Field(default_factory=Definition)
    classes: dict[int, LegendClass]
    """Classes of the map by their code."""

    @model_validator(mode="after")
    def _has_cropland(self) -> LegendFile:
        if not any(c.land == "crop" for c in self.classes.values()):
            raise ValueError('no class has land = "crop"')
        return self


@dataclass(frozen=True)
class ProductLegend:
    """A legend that has been read and checked."""

    path: Path
    file: LegendFile

    @property
    def known_codes(self) -> tuple[int, ...]:
        """Codes that the legend names, nodata included, in ascending order."""
        return tuple(sorted({*self.file.classes, *self.file.nodata}))

    def crop_codes(self, include: Collection[str] = (), exclude: Collection[str] = ()) -> tuple[int, ...]:
        """Codes that count as cropland under a definition, in ascending order.

        Parameters
        ----------
        include, exclude : kinds of land (paddy, orchard, greenhouse, fallow) to count or to leave out

        Raises
        ------
        ValueError
            for a kind without a class of its own in this map, and for one that is both included and excluded
        """
        own = {c.land for c in self.file.classes.values() if c.land}
        for kind in (*include, *exclude):
            if kind not in own or kind == "crop":
                can = ", ".join(sorted(own - {"crop"})) or "none"
                says = getattr(self.file.definition, kind, "") or "not stated"
                raise ValueError(
                    f"product {self.file.key} has no class of its own for '{kind}' (in its cropland: {says}); "
                    f"kinds that can be included or excluded: {can}"
                )
        both = sorted(set(include) & set(exclude))
        if both:
            raise ValueError(f"product {self.file.key}: '{both[0]}' is both included and excluded")
        codes = []
        for code, entry in sorted(self.file.classes.items()):
            counted = entry.land == "crop" or entry.counted
            land = entry.land or ""
            if (counted or land in include) and land not in exclude:
                codes.append(code)
        return tuple(codes)


def read_legend(name: str) -> ProductLegend:
    """A legend by the key of an included map (CACD, CLCD, ESA, ...) or by the path of a TOML file.

    Raises FileNotFoundError if there is no such legend, ValueError with file and field if the file is not valid.
    """
    path = Path(name) if name.endswith(".toml") else LEGENDS / f"{name}.toml"
    if not path.is_file():
        known = known_legends()
        raise FileNotFoundError(
            f"legend '{name}' is neither a .toml file nor one of the included maps {', '.join(known)}{did_you_mean(name, known)}"
        )
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"legend {path} is not TOML: {error}") from error
    if isinstance(data.get("classes"), Mapping):
        data["classes"] = {
            code: {"name": entry} if isinstance(entry, str) else entry for code, entry in data["classes"].items()
        }
    try:
        return ProductLegend(path, LegendFile.model_validate(data))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(p) for p in first["loc"]) or "the file"
        raise ValueError(f"legend {path}: {place}: {first['msg'].removeprefix('Value error, ')}") from None


def known_legends() -> list[str]:
    """Keys of the included legends, sorted."""
    return sorted(p.stem for p in LEGENDS.glob("*.toml"))
