"""The catalog of a finished run: what it has, measured, with the licences of all that it is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from pystac import Asset, Item

from croplayer.catalog.items import (
    WEIGHTS,
    cube_item,
    field_words,
    map_item,
    model_item,
    period_of,
    table_asset,
    table_item,
)
from croplayer.catalog.measures import TableFacts
from croplayer.catalog.place import CatalogPlace
from croplayer.catalog.tree import BLOCKS, MapCatalog
from croplayer.changes.editions import Edition, edition_of
from croplayer.cube.whole_blocks import Cube
from croplayer.models.networks.manifest import MANIFEST_NAME, MANIFEST_SUM_NAME, bundle_digest, read_manifest
from croplayer.sources.time_spans import TimeSpan
from pipelines.engine.models import Models
from pipelines.engine.run_log import messages
from pipelines.facts import facts_of
from pipelines.recipe_errors import RecipeError
from pipelines.recipe_files import load_resolved_recipe
from stores.grid import Bounds
from stores.legends import own_maps
from stores.licences import Role, doubts, obstacles
from stores.map_facts import MapFacts
from stores.places import is_remote
from stores.run_folder import RunFolder, cube_place
from stores.step_memory import EXPORTS, FIELD_FILES, StepEntry
from stores.tables import words_of


@dataclass(frozen=True)
class Published:
    """A run that is to be published."""

    folder: RunFolder
    edition: Edition
    facts: MapFacts
    with_imagery: bool
    """Whether what shows imagery is published, too: the cube and the report."""

    @classmethod
    def of(cls, place: str, with_imagery: bool = True) -> Published:
        """The run of a place (``FOLDER`` or ``FOLDER@EDITION``).

        Raises FileNotFoundError for a place that is no run's folder, ValueError for a map without a finished block.
        """
        found = cube_place(place)
        if found.folder is None:
            raise FileNotFoundError(f"{place} is a bucket; give the folder of the run, which knows where its cube lies")
        facts = facts_of(found.folder)
        edition = edition_of(Cube.open(found.cube, found.folder.edition), found.folder)
        if not edition.finished:
            raise ValueError(f"{place} has no finished block yet; run its recipe first")
        return cls(found.folder, edition, facts, with_imagery)

    def obstacles(self) -> list[str]:
        """Sentences about licences that forbid to publish it; none where nothing does."""
        return obstacles(self.facts.inputs, self.facts.own_licence, self.with_imagery)

    def doubts(self) -> list[str]:
        """Sentences about inputs whose licence nobody can tell."""
        return doubts(self.facts.inputs)

    def write(self, place: CatalogPlace, models: Path) -> str:
        """Write the catalog and return the path of its collection in the place.

        Parameters
        ----------
        models : folder of trained models
        """
        blocks = self._quality()
        period = period_of(self.facts.edition, blocks)
        items = [*self._cube(place, period), *self._maps(place, period), *self._tables(place, period)]
        items += self._models(place, period, models)
        catalog = MapCatalog(place, self.facts, self.bounds, period, items, self._assets(place))
        cube = self._cube_href(place, f"{BLOCKS}/r0000/x.json") if self.with_imagery else None
        return catalog.write(blocks, cube)

    def _quality(self) -> pd.DataFrame | None:
        """The block table without the columns about other maps; None where the run has none."""
        if not self.folder.blocks.is_file():
            return None
        table = pd.DataFrame(gpd.read_parquet(self.folder.blocks).drop(columns="geometry"))
        products = [each.name for each in self.facts.inputs if each.role is Role.PRODUCT]
        return table[columns_without(products, own_maps(self.edition.cube.sources), list(table))]

    @property
    def bounds(self) -> Bounds:
        """Box around the finished blocks."""
        grid = self.edition.cube.grid
        boxes = np.array([grid.bounds(block) for block in self.edition.finished])
        low, high = boxes.min(axis=0), boxes.max(axis=0)
        return Bounds(float(low[0]), float(low[1]), float(high[2]), float(high[3]))

    def _cube(self, place: CatalogPlace, period: TimeSpan) -> Iterator[Item]:
        if self.with_imagery:
            yield cube_item(self.edition.cube, self.bounds, period, self._cube_href(place, "items/cube.json"))

    def _cube_href(self, place: CatalogPlace, seen_from: str) -> str:
        cube = self.edition.cube
        if is_remote(cube.path):
            return f"{cube.path}/{cube.edition}"
        return place.file_href(Path(cube.path) / cube.edition, self.folder.root, seen_from)

    def _maps(self, place: CatalogPlace, period: TimeSpan) -> Iterator[Item]:
        for path in self._written(EXPORTS, ".tif"):
            yield map_item(path, period, self._href(place, path))

    def _tables(self, place: CatalogPlace, period: TimeSpan) -> Iterator[Item]:
        about_fields = field_words()
        for path in self._written(FIELD_FILES, ".parquet"):
            item = table_item(path, period, self.bounds, self._href(place, path), about_fields)
            item.id = f"fields-{item.id}"
            item.properties["title"] = f"Fields: {path.stem}"
            yield item
        for path in (self.folder.blocks, self.folder.boundaries):
            if path.is_file():
                yield table_item(path, period, self.bounds, self._href(place, path), self._words(path))

    def _models(self, place: CatalogPlace, period: TimeSpan, models: Path) -> Iterator[Item]:
        """The models that made the map, with copies of them in the catalog; those that are not at hand are named."""
        known = json.loads(self.folder.provenance.read_text(encoding="utf-8")).get("models", {})
        for kind, digest in sorted(known.items()):
            folder = self._model_folder(kind, Models(models, self.folder.root))
            if folder is None or bundle_digest(folder) != digest:
                messages.warning(
                    "the %s model that made this map is not at hand, so the catalog lacks it; see --models", kind
                )
                continue
            for name in (*read_manifest(folder).files, MANIFEST_NAME, MANIFEST_SUM_NAME):
                place.write_bytes(f"models/{kind}/{name}", (folder / name).read_bytes())
            href = place.href(f"models/{kind}/{WEIGHTS}", f"items/model-{kind}.json")
            yield model_item(kind, folder, self.bounds, period, href)

    def _model_folder(self, kind: str, models: Models) -> Path | None:
        """Folder of a model of the recipe; None for one that is not at hand, of which the data are not needed here either."""
        try:
            return models.folder(load_resolved_recipe(self.folder), kind)
        except (RecipeError, FileNotFoundError):
            return None

    def _assets(self, place: CatalogPlace) -> dict[str, Asset]:
        """Tables without geometries, and the report."""
        assets = {}
        for path in self._written("", ".csv", ".parquet"):
            if path.parent.name == "tables" and TableFacts.of(path).geometry is None:
                href = place.file_href(path, self.folder.root, "collection.json")
                assets[path.stem if path.suffix == ".csv" else f"{path.stem}_parquet"] = table_asset(
                    path, href, self._words(path)
                )
        if self.with_imagery and self.folder.report.is_file():
            href = place.file_href(self.folder.report, self.folder.root, "collection.json")
            assets["report"] = Asset(href, "Report", media_type="text/html", roles=["overview", "metadata"])
        return assets

    def _words(self, path: Path) -> dict[str, str]:
        """Meanings of the columns of a table, as far as they are declared."""
        columns = [name for name, _ in TableFacts.of(path).columns]
        if path != self.folder.blocks:
            return words_of(path.stem, columns)
        features = self.folder.table("features.csv")
        table = pd.read_csv(features, keep_default_na=False) if features.is_file() else None
        meant = {} if table is None else dict(zip(table["column"], table["meaning"], strict=True))
        return meant | words_of("correctness", columns) | words_of("integration", columns)

    def _href(self, place: CatalogPlace, path: Path) -> str:
        return place.file_href(path, self.folder.root, "items/x.json")

    def _written(self, prefix: str, *endings: str) -> list[Path]:
        """Files that finished steps wrote, whose names begin with a prefix."""
        entries: dict[str, StepEntry] = self.folder.memory.entries()
        noted = {
            name for step, entry in entries.items() if step.startswith(prefix) and not entry.is_open for name in entry.files
        }  # fmt: skip
        return sorted(self.folder.root / name for name in noted if name.endswith(endings))


def columns_without(products: Sequence[str], own: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The columns of a block table that are not about one of the other maps.

    A column is about the map with the longest name that it ends with: ``known_winter_esa`` is of a source ``winter_esa``, not of
    a product ``esa``.
    """
    endings = {f"_{name}": name in products for name in (*own, *products)}

    def is_of_product(column: str) -> bool:
        found = max((ending for ending in endings if column.endswith(ending)), key=len, default="")
        return endings.get(found, False)

    return [column for column in columns if not is_of_product(column)]
