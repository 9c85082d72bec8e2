"""The inputs of a run: its recipe, region, imagery, products, units, statistics and models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import pandas as pd
from shapely.geometry.base import BaseGeometry

from croplayer.evaluation.statistics import (
    StatisticColumns,
    land_of,
    left_over,
    match_statistics,
    read_statistics,
    translated,
)
from croplayer.files.file_cache import forget_files
from croplayer.models.judging.comparison_file import comparison_file
from croplayer.products.product import Product
from croplayer.sources.elevation import ElevationRaster
from croplayer.sources.imagery import ImagerySource
from croplayer.sources.time_spans import TimeSpan, parse_span
from croplayer.vector.boundaries import UnitColumns, joined, read_boundaries
from croplayer.vector.correction_files import read_corrections
from croplayer.vector.corrections import HandCorrection
from croplayer.vector.polygons import read_polygons
from croplayer.vector.read import digest_vector
from croplayer.vector.region import Region
from pipelines.engine.input_checks import problems_of
from pipelines.engine.models import Models
from pipelines.engine.openings import elevation, imagery_source, product
from pipelines.recipe import Recipe
from stores.block_list import BlockList
from stores.grid import BlockGrid, Bounds


@dataclass(frozen=True)
class Inputs:
    """Everything the steps of a run read. It is opened on first use and never written."""

    recipe: Recipe
    models: Models

    @cached_property
    def grid(self) -> BlockGrid:
        """The lattice with the recipe's pixels."""
        return BlockGrid(self.recipe.grid.block_px)

    @cached_property
    def region(self) -> Bounds | BaseGeometry:
        """The region as a box or a polygon in EPSG:4326; raises ValueError when the recipe names none."""
        region = self.recipe.region
        if region is None:
            raise ValueError(f"recipe '{self.recipe.name}' has no [region], so there is nothing to map")
        if region.bounds is not None:
            return Bounds(*region.bounds)
        path = Path(str(region.boundaries))
        return read_polygons(path, "region.boundaries").union_all()

    @cached_property
    def pixel_region(self) -> Region:
        """The region as tasks read it."""
        part = self.recipe.region
        if part is None or part.bounds is not None:
            return Region(self.bounds)
        return Region(None, str(part.boundaries), digest_vector(Path(str(part.boundaries))))

    @property
    def bounds(self) -> Bounds:
        """Box around the region."""
        return self.region if isinstance(self.region, Bounds) else Bounds(*self.region.bounds)

    @cached_property
    def blocks(self) -> BlockList:
        """Blocks of the region in raster order."""
        return BlockList.of(self.grid.blocks_in(self.region))

    @property
    def sources(self) -> tuple[ImagerySource, ...]:
        """The imagery sources, in the order of the recipe."""
        return tuple(self.source(i) for i in range(len(self.recipe.sources)))

    def source(self, i: int) -> ImagerySource:
        """One of the imagery sources."""
        if i not in self._sources:
            self._sources[i] = imagery_source(self.recipe.sources[i])
        return self._sources[i]

    @cached_property
    def _sources(self) -> dict[int, ImagerySource]:
        return {}

    @cached_property
    def stated_times(self) -> dict[str, TimeSpan]:
        """When imagery was taken, by source, of those of which the recipe states it."""
        texts = {part.name: getattr(part, "taken", "") for part in self.recipe.sources}
        return {name: parse_span(text) for name, text in texts.items() if text}

    @cached_property
    def elevation(self) -> ElevationRaster | None:
        """The elevation model, where the recipe names one."""
        terrain = self.recipe.terrain
        return elevation(terrain) if terrain else None

    @property
    def products(self) -> tuple[Product, ...]:
        """The maps that are compared."""
        return tuple(self.product(i) for i in range(len(self.recipe.products)))

    def product(self, i: int) -> Product:
        """One of the maps that are compared."""
        if i not in self._products:
            self._products[i] = product(self.recipe.products[i])
        return self._products[i]

    @cached_property
    def _products(self) -> dict[int, Product]:
        return {}

    @cached_property
    def reference(self) -> Product | None:
        """The map that is taken as true, where the recipe names one."""
        return product(self.recipe.reference) if self.recipe.reference else None

    @property
    def other_maps(self) -> tuple[Product, ...]:
        """The products, and the reference where there is one."""
        return (*self.products, self.reference) if self.reference else self.products

    @cached_property
    def units(self) -> gpd.GeoDataFrame:
        """Admin units of all levels; raises when a file does not match the recipe."""
        return joined([(Path(a.path), self.units_of(i)) for i, a in enumerate(self.recipe.admin)])

    def units_of(self, i: int) -> gpd.GeoDataFrame:
        """Admin units of one of the files; raises when it does not match the recipe."""
        if i not in self._files:
            a = self.recipe.admin[i]
            columns = UnitColumns(a.adcode, a.name_en, a.name_zh)
            self._files[i] = read_boundaries(Path(a.path), columns, a.level, a.layer, a.encoding)
        return self._files[i]

    @cached_property
    def _files(self) -> dict[int, gpd.GeoDataFrame]:
        return {}

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels of the admin units, in the order of the recipe; a level may be in several files."""
        return tuple(dict.fromkeys(a.level for a in self.recipe.admin))

    def level_units(self, level: int) -> gpd.GeoDataFrame:
        """Admin units of one level."""
        return self.units[self.units.level == level].reset_index(drop=True)

    @cached_property
    def corrections(self) -> tuple[HandCorrection, ...]:
        """Corrections by hand in the order in which they are applied, none where the recipe names no file of them."""
        part = self.recipe.corrections
        return read_corrections(Path(part.polygons), part.layer) if part else ()

    @cached_property
    def statistics(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Statistics of the units of level 1, their codes translated as the recipe says, and the rows that belong to no unit.

        Raises ValueError when the recipe names no statistics, or the table does not match the units.
        """
        part = self.recipe.statistics
        if part is None:
            raise ValueError(f"recipe '{self.recipe.name}' has no [statistics]")
        path, units = Path(part.path), land_of(self.level_units(1))
        if part.adcode_pattern:
            units["adcode"] = [translated(code, part.adcode_pattern) for code in units.adcode]
        table = read_statistics(path, StatisticColumns(part.adcode, part.name_en, part.area, part.unit or ""))
        return match_statistics(units, table, path, part.without, part.sum_km2), left_over(units, table)

    @property
    def comparison(self) -> Path | None:
        """The file of the comparison of networks that the report shows, where the recipe names one."""
        part = self.recipe.report
        return comparison_file(Path(part.comparison)) if part and part.comparison else None

    @cached_property
    def source_settings(self) -> dict[str, str]:
        """Text that changes with the way the imagery is read, by source."""
        return {s.name: s.settings() for s in self.sources}

    @cached_property
    def product_settings(self) -> dict[str, str]:
        """Text that changes with a map's legend and the way it is read, by product; the reference among them."""
        return {p.name: p.settings() for p in self.other_maps}

    def check(self) -> None:
        """Raise ValueError with a line for every unusable input, before any work starts."""
        forget_files()
        problems = problems_of(self)
        if problems:
            raise ValueError("\n".join(problems))
