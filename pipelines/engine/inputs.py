"""The inputs of a run: its recipe, region, imagery, products, units, statistics and models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import pandas as pd
from shapely.geometry.base import BaseGeometry

from croplayer.evaluation.statistics import land_of, left_over, match_statistics, read_statistics, translated
from croplayer.files.file_cache import forget_files
from croplayer.products.product import Product
from croplayer.sources.elevation import ElevationRaster
from croplayer.sources.imagery import ImagerySource
from croplayer.vector.boundaries import UnitColumns, check_overlap, joined, read_boundaries
from croplayer.vector.overlaps import check_apart
from croplayer.vector.polygons import read_polygons
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

    @property
    def bounds(self) -> Bounds:
        """Box around the region."""
        return self.region if isinstance(self.region, Bounds) else Bounds(*self.region.bounds)

    @cached_property
    def blocks(self) -> BlockList:
        """Blocks of the region in raster order."""
        return BlockList.of(self.grid.blocks_in(self.region))

    @cached_property
    def sources(self) -> tuple[ImagerySource, ...]:
        """The imagery sources, in the order of the recipe."""
        return tuple(imagery_source(part) for part in self.recipe.sources)

    @cached_property
    def elevation(self) -> ElevationRaster | None:
        """The elevation model, where the recipe names one."""
        terrain = self.recipe.terrain
        return elevation(terrain) if terrain else None

    @cached_property
    def products(self) -> tuple[Product, ...]:
        """The maps that are compared."""
        return tuple(product(part) for part in self.recipe.products)

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
        return joined(
            [
                (
                    Path(a.path),
                    read_boundaries(
                        Path(a.path), UnitColumns(a.adcode, a.name_en, a.name_zh), a.level, a.layer, a.encoding
                    ),
                )
                for a in self.recipe.admin
            ]
        )

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels of the admin units, in the order of the recipe; a level may be in several files."""
        return tuple(dict.fromkeys(a.level for a in self.recipe.admin))

    def level_units(self, level: int) -> gpd.GeoDataFrame:
        """Admin units of one level."""
        return self.units[self.units.level == level].reset_index(drop=True)

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
        table = read_statistics(path)
        return match_statistics(units, table, path, part.without, part.sum_km2), left_over(units, table)

    @cached_property
    def source_settings(self) -> dict[str, str]:
        """Text that changes with the way the imagery is read, by source."""
        return {s.name: s.settings() for s in self.sources}

    @cached_property
    def product_settings(self) -> dict[str, str]:
        """Text that changes with a map's legend and the way it is read, by product; the reference among them."""
        return {p.name: p.settings() for p in self.other_maps}

    def check(self) -> None:
        """Raise on the first unusable input, before any work starts."""
        forget_files()
        for source in self.sources:
            source.check(self.bounds)
        if self.elevation:
            self.elevation.check(self.bounds)
        for other in self.other_maps:
            other.check(self.bounds)
        for admin in self.recipe.admin:
            check_overlap(self.level_units(admin.level), self.bounds, Path(admin.path))
        for level in self.levels:
            paths = [Path(a.path) for a in self.recipe.admin if a.level == level]
            check_apart(self.level_units(level), self.bounds, paths)
        if self.recipe.statistics:
            _ = self.statistics
        if self.recipe.evaluation.parcels:
            read_polygons(Path(self.recipe.evaluation.parcels), "parcels")
        self._check_classifiers()

    def _check_classifiers(self) -> None:
        """Raise if a block classifier that the recipe names is not there, is damaged or fits other blocks."""
        decisions = self.recipe.decisions
        for kind in ("correctness", "integration"):
            place = decisions.model_of(kind)
            if place is not None:
                from croplayer.decisions.classifier_files import read_named

                read_named(Path(place), kind, self.recipe.source_names, decisions.correctness_classes)
