"""Labelled scenes: RGB rasters and the field polygons drawn on them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

import geopandas
import numpy as np
import rasterio
import rasterio.features
import shapely
from pyproj import CRS
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from croplayer.models.training.label_places import beside, misplaced_words
from croplayer.sources.raster import colour_pixels
from croplayer.sources.raster_bands import bands_of, colour_bands
from croplayer.sources.raster_file import DRIVER, RasterFile, RasterPlace, check_georeference, open_raster
from croplayer.vector.read import cut_name_hint, read_vector

SCENE_DRIVERS = {".tif": DRIVER, ".tiff": DRIVER, ".png": "PNG", ".jpg": "JPEG", ".jp2": "JP2OpenJPEG"}
"""File extensions of scenes, each with the only driver that opens it; none of these can be made to read other files."""
MOST_SCENE_PIXELS = 20_000**2
"""A scene is read whole; a larger one is refused after reading its header."""
METRES_PER_DEGREE = 111_319.49
MOST_NAMED = 5
"""Largest number of scenes that an error names."""


class SceneArrays(NamedTuple):
    """The pixels and labels of one scene."""

    rgb: np.ndarray
    """(h, w, 3) uint8."""
    parcels: np.ndarray
    """(h, w) int32: number of the polygon that holds the pixel's centre, 0 outside all of them."""
    valid: np.ndarray
    """(h, w) bool: where there is imagery."""
    labelled: np.ndarray
    """(h, w) bool: where it is known whether there is a field; a part of ``valid``."""

    @property
    def field(self) -> np.ndarray:
        """(h, w) bool: inside any polygon."""
        return self.parcels > 0


@dataclass(frozen=True)
class LabelledScene:
    """One raster and its polygons, in the raster's coordinates."""

    name: str
    path: Path
    gsd_m: float
    """Ground sample distance in metres."""
    polygons: tuple[BaseGeometry, ...]

    def read(self) -> SceneArrays:
        """Read pixels and labels; raises ValueError when the raster is damaged or is not RGB of uint8.

        Bands are those that the file says are red, green and blue, else the first three that are no alpha band.
        """
        with _open_scene(self.path) as raster:
            if raster.count < 3 or {*raster.dtypes} != {"uint8"}:
                raise ValueError(f"{self.path} has {raster.count} bands of {raster.dtypes[0]}; expected RGB of uint8")
            file = RasterFile(RasterPlace(str(self.path)), raster, raster.crs, bands_of(raster, str(self.path)))
            taken = colour_bands(file.bands, file.name, self.name, None, None)
            colours, valid = colour_pixels(file, taken, Window(0, 0, raster.width, raster.height))
            rgb = np.moveaxis(colours, 0, -1)
            shapes = [(polygon, i) for i, polygon in enumerate(self.polygons, start=1)]
            parcels = (
                rasterio.features.rasterize(shapes, out_shape=raster.shape, transform=raster.transform, dtype="int32")
                if shapes
                else np.zeros(raster.shape, dtype=np.int32)
            )
        return SceneArrays(np.ascontiguousarray(rgb), parcels, valid, valid.copy())


class Scene(Protocol):
    """What a training asks of a labelled scene."""

    @property
    def name(self) -> str:
        """Its name, which no other scene has."""

    @property
    def gsd_m(self) -> float:
        """Ground sample distance in metres."""

    @property
    def polygons(self) -> tuple[BaseGeometry, ...]:
        """Its fields, in the coordinates of its raster."""

    def read(self) -> SceneArrays:
        """Pixels and labels."""


class RepairReport(NamedTuple):
    """The changes made to the polygons."""

    repaired: tuple[str, ...]
    """One line per repaired polygon: row, scene, reason, area before and after."""
    dropped: tuple[str, ...]
    """One line per polygon that is empty, has no area after the repair, or lies beside its scene."""


@dataclass(frozen=True)
class LabelledScenes:
    """Scenes sorted by name, and the repairs of their labels."""

    scenes: tuple[Scene, ...]
    report: RepairReport

    @classmethod
    def open(cls, images: Path, polygons: Path, image_column: str = "image") -> LabelledScenes:
        """Match the rasters of a folder with polygons, by the file name of the raster without its extension.

        Parameters
        ----------
        images : folder of north-up rasters (``SCENE_DRIVERS``), any CRS; a scene that no polygon names is a negative one
        polygons : GeoPackage, Shapefile or GeoParquet, any CRS
        image_column : column with the name of each polygon's raster, without extension

        Raises
        ------
        FileNotFoundError when the folder, the polygons or a raster that they name is missing;
        ValueError for a missing column or CRS, a folder without rasters, a raster of another format, rotated or too
        large, and for scenes that most of their polygons do not lie on.
        """
        images, polygons = Path(images), Path(polygons)
        paths = _scene_paths(images)
        table = _read_table(polygons, image_column)
        unknown = sorted(set(table[image_column]) - set(paths))
        if unknown:
            raise FileNotFoundError(
                f"{polygons} column '{image_column}' names {len(unknown)} scenes that are not in {images}, "
                f"first '{unknown[0]}'"
            )
        named = set(table[image_column])
        table, report = _repaired(table, image_column)
        scenes, wrong, stray = [], [], []
        for name, path in paths.items():
            with _open_scene(path) as raster:
                own = table.geometry[table[image_column] == name]
                placed = own.to_crs(raster.crs)
                picture = geopandas.GeoSeries([shapely.box(*raster.bounds)], crs=raster.crs)
                gsd_m = _ground_sample_distance_m(raster, path)
            off = beside(placed, picture.iloc[0])
            if name in named and not len(own):
                wrong.append(f"the polygons that name scene '{name}' have no area")
            elif off.sum() > len(own) / 2:
                which = "the polygons" if off.all() else f"{off.sum()} of the {len(own)} polygons"
                wrong.append(f"{which} of scene '{name}' do not meet its picture: {misplaced_words(own[off], picture)}")
            elif off.any():
                stray.append(f"{off.sum()} of the {len(own)} polygons of scene {name}: beside its picture")
            scenes.append(LabelledScene(name, path, gsd_m, tuple(placed[~off])))
        if wrong:
            more = f"; {len(wrong) - MOST_NAMED} more scenes are alike" if len(wrong) > MOST_NAMED else ""
            raise ValueError(
                f"labels {polygons}: {'; '.join(wrong[:MOST_NAMED])}{more}; correct the polygons or their CRS"
            )
        return cls(tuple(scenes), report._replace(dropped=(*report.dropped, *stray)))

    def __len__(self) -> int:
        return len(self.scenes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scenes, in their order."""
        return tuple(scene.name for scene in self.scenes)

    @cached_property
    def _arrays(self) -> tuple[SceneArrays, ...]:
        return tuple(scene.read() for scene in self.scenes)

    def read_all(self) -> tuple[SceneArrays, ...]:
        """Pixels and labels of every scene; they are read once, for subsets too, and stay in memory."""
        return self._arrays

    def _part(self, is_in: Sequence[bool]) -> LabelledScenes:
        """Some of the scenes, with what was read of them."""
        part = LabelledScenes(tuple(itertools.compress(self.scenes, is_in)), self.report)
        if "_arrays" in self.__dict__:
            part.__dict__["_arrays"] = tuple(itertools.compress(self._arrays, is_in))
        return part

    @cached_property
    def digest(self) -> str:
        """sha256 of names, ground sample distances, pixels and labels; they are read for it."""
        digest = hashlib.sha256()
        for scene, arrays in zip(self.scenes, self.read_all(), strict=True):
            digest.update(f"{scene.name} {scene.gsd_m}".encode())
            for array in arrays:
                digest.update(array.data)
        return digest.hexdigest()

    def field_share(self) -> float:
        """Share of the labelled pixels that lie in a field, 0 to 1; NaN without any."""
        pixels = sum(int(arrays.labelled.sum()) for arrays in self.read_all())
        inside = sum(int((arrays.field & arrays.labelled).sum()) for arrays in self.read_all())
        return inside / pixels if pixels else float("nan")

    def check_labels(self) -> None:
        """Raise ValueError if all pixels have one label, from which nothing can be learned."""
        share = self.field_share()
        if not 0 < share < 1:
            every = "every pixel" if share == 1 else "no pixel"
            raise ValueError(
                f"{every} of the {len(self)} scenes to train on ({', '.join(self.names[:MOST_NAMED])} ...) lies in a field; "
                "expected both fields and other land, so check the polygons and the names of their scenes"
            )

    def subset(self, names: tuple[str, ...] | list[str]) -> LabelledScenes:
        """The scenes with these names; raises KeyError for an unknown one."""
        missing = sorted(set(names) - set(self.names))
        if missing:
            raise KeyError(f"there is no scene '{missing[0]}'; expected one of {', '.join(self.names)}")
        return self._part([scene.name in names for scene in self.scenes])

    def joined(self, other: LabelledScenes) -> LabelledScenes:
        """The scenes of both sets, sorted by name; raises ValueError for a name that is in both."""
        shared = sorted(set(self.names) & set(other.names))
        if shared:
            raise ValueError(f"scene '{shared[0]}' is in both sets; rename one of them")
        report = RepairReport(*(a + b for a, b in zip(self.report, other.report, strict=True)))
        return LabelledScenes(tuple(sorted(self.scenes + other.scenes, key=lambda s: s.name)), report)

    def split_by_scene(self, fraction: float, seed: int) -> tuple[LabelledScenes, LabelledScenes]:
        """Split into training and validation scenes. The same seed gives the same split.

        Parameters
        ----------
        fraction : share of the scenes for validation, 0 <= fraction < 1; above 0, at least one scene is held out
        seed : any integer
        """
        if not 0 <= fraction < 1:
            raise ValueError(f"fraction is {fraction}; expected a share of the scenes in 0..1, below 1")
        order = np.random.default_rng(seed).permutation(len(self.scenes))
        n = min(max(round(fraction * len(self.scenes)), 1 if fraction > 0 else 0), len(self.scenes) - 1)
        chosen = {*order[:n].tolist()}
        is_held = [i in chosen for i in range(len(self.scenes))]
        return self._part([not held for held in is_held]), self._part(is_held)

    def folds(self, n_folds: int, seed: int) -> tuple[tuple[LabelledScenes, LabelledScenes], ...]:
        """The (training, validation) scenes of each fold; each scene is in the validation of one fold.

        Raises ValueError unless ``n_folds`` is between 2 and the number of scenes.
        """
        if not 2 <= n_folds <= len(self.scenes):
            raise ValueError(
                f"n_folds is {n_folds} for {len(self.scenes)} scenes; expected at least 2, and at most the number of scenes"
            )
        order = np.random.default_rng(seed).permutation(len(self.scenes))
        parts = []
        for k in range(n_folds):
            chosen = {*order[k::n_folds].tolist()}
            is_held = [i in chosen for i in range(len(self.scenes))]
            parts.append((self._part([not held for held in is_held]), self._part(is_held)))
        return tuple(parts)


def _scene_paths(images: Path) -> dict[str, Path]:
    if not images.is_dir():
        raise FileNotFoundError(f"{images} is not a folder; expected a folder of labelled rasters")
    found = sorted(p for p in images.iterdir() if p.suffix.lower() in SCENE_DRIVERS)
    if not found:
        raise ValueError(f"{images} holds no raster ({', '.join(SCENE_DRIVERS)})")
    paths = {p.stem: p for p in found}
    if len(paths) < len(found):
        raise ValueError(
            f"{images} holds two rasters with the same name and different extensions; rename or remove one of them"
        )
    return paths


def _open_scene(path: Path) -> rasterio.DatasetReader:
    """Open a scene with the driver of its extension; raises ValueError for one without a usable georeference."""
    raster = open_raster(path, SCENE_DRIVERS[path.suffix.lower()])
    if raster.crs is None:
        raise ValueError(
            f"{path} has no CRS, so its polygons cannot be located; assign its CRS, for example with gdal_edit -a_srs"
        )
    check_georeference(raster, None)
    if raster.width * raster.height > MOST_SCENE_PIXELS:
        raise ValueError(
            f"{path} is {raster.width} x {raster.height} px; expected at most {MOST_SCENE_PIXELS} pixels; split it"
        )
    return raster


def _read_table(polygons: Path, image_column: str) -> geopandas.GeoDataFrame:
    table = read_vector(polygons, "polygons")
    if image_column not in table.columns:
        have = ", ".join(map(str, table.columns))
        hint = cut_name_hint(table.columns, polygons, image_column)
        raise ValueError(f"{polygons} has no column '{image_column}'; it has {have}{hint}")
    table[image_column] = table[image_column].astype(str)
    return table


def _repaired(table: geopandas.GeoDataFrame, image_column: str) -> tuple[geopandas.GeoDataFrame, RepairReport]:
    geometries, keep, repaired, dropped = [], [], [], []
    for row, (name, geometry) in enumerate(zip(table[image_column], table.geometry, strict=True)):
        if geometry is None or geometry.is_empty:
            dropped.append(f"row {row} of scene {name}: empty geometry")
            continue
        fixed = geometry
        if not geometry.is_valid:
            fixed = _polygonal(shapely.make_valid(geometry))
            change = f"area {geometry.area:.4g} -> {fixed.area:.4g}"
            repaired.append(f"row {row} of scene {name}: {shapely.is_valid_reason(geometry)}, {change}")
        if fixed.area == 0:
            dropped.append(f"row {row} of scene {name}: no area")
            continue
        geometries.append(fixed)
        keep.append(row)
    result = table.iloc[keep].set_geometry(geopandas.GeoSeries(geometries, index=table.index[keep], crs=table.crs))
    return result, RepairReport(tuple(repaired), tuple(dropped))


def _polygonal(geometry: BaseGeometry) -> BaseGeometry:
    parts = [g for g in shapely.get_parts([geometry]) if g.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.union_all(parts)


def _ground_sample_distance_m(raster: rasterio.DatasetReader, path: Path) -> float:
    tag = raster.tags().get("ground_sample_distance_m")
    if tag is not None:
        try:
            value = float(tag)
        except ValueError as error:
            raise ValueError(f"{path} tag 'ground_sample_distance_m' is '{tag}'; expected metres") from error
        if value <= 0:
            raise ValueError(f"{path} tag 'ground_sample_distance_m' is {value}; expected metres above 0")
        return value
    west_east, south_north = abs(raster.transform.a), abs(raster.transform.e)
    crs = CRS.from_user_input(raster.crs)
    if crs.is_geographic:
        latitude = np.deg2rad((raster.bounds.bottom + raster.bounds.top) / 2)
        west_east, south_north = west_east * np.cos(latitude) * METRES_PER_DEGREE, south_north * METRES_PER_DEGREE
        return float(np.sqrt(west_east * south_north))
    return float(np.sqrt(west_east * south_north) * crs.axis_info[0].unit_conversion_factor)
