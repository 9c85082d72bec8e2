"""The parts of a recipe that say where to map, and in which pixels."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from pipelines.recipe_parts import FilePath, Part, one_of_keys
from stores.grid import LARGEST_BLOCK_PX


class Region(Part):
    """Where to map: a box, or the units of a boundary file."""

    model_config = one_of_keys("bounds", "boundaries")

    bounds: Annotated[tuple[float, float, float, float], Field(strict=False)] | None = Field(
        default=None, examples=[[115.1, 34.95, 115.4, 35.15]], json_schema_extra={"unit": "degrees"}
    )
    """west, south, east, north; give either bounds or boundaries."""
    boundaries: FilePath | None = Field(default=None, examples=["region.gpkg"])
    """Vector file; all its polygons together are the region."""

    @model_validator(mode="after")
    def _one(self) -> Region:
        if (self.bounds is None) == (self.boundaries is None):
            raise ValueError("give either bounds or boundaries")
        if self.bounds is not None:
            check_bounds(self.bounds)
        return self


def check_bounds(bounds: tuple[float, float, float, float]) -> None:
    """Raise ValueError unless four numbers are a box in degrees; says so where latitudes stand before longitudes."""
    west, south, east, north = bounds
    if _is_box(west, south, east, north):
        return
    found = f"bounds are {list(bounds)}"
    if _is_box(south, west, north, east):
        raise ValueError(
            f"{found}, with latitudes before longitudes; expected west, south, east, north, so write "
            f"{[south, west, north, east]}"
        )
    if west > east and _is_box(east, south, west, north):
        raise ValueError(
            f"{found}, with west {west:g} east of east {east:g}; exchange the two, or map a region that crosses the "
            "meridian of 180 degrees in two parts"
        )
    if south > north and _is_box(west, north, east, south):
        raise ValueError(f"{found}, with south {south:g} north of north {north:g}; exchange the two")
    raise ValueError(
        f"{found}; expected west, south, east, north in degrees, with -180 <= west < east <= 180 and "
        "-90 <= south < north <= 90"
    )


def _is_box(west: float, south: float, east: float, north: float) -> bool:
    return -180 <= west < east <= 180 and -90 <= south < north <= 90


class Grid(Part):
    """Pixels of a block, and the cells that the network works on."""

    block_px: int = Field(default=2560, ge=1, le=LARGEST_BLOCK_PX)
    """Pixels along a block, which is 0.05 degrees wide and high; 2560 gives pixels of about 2 m."""
    cell_px: int = Field(default=512, ge=1)
    """Edge of a cell, the part of a block that the network maps at once, without its context; never more than a block."""
    blend_px: int = Field(default=32, ge=1)
    """Width over which neighbouring cells are blended, and of the context around each."""

    @model_validator(mode="after")
    def _divides(self) -> Grid:
        cell = min(self.cell_px, self.block_px)
        if self.block_px % cell:
            raise ValueError(f"cell_px {self.cell_px} does not divide block_px {self.block_px}")
        return self
