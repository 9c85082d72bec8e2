"""The synthetic country: truth, elevation and imagery at any place, each a pure function of seed and place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from croplayer.landscape.classes import IS_CROPLAND, LandCover, class_table
from croplayer.landscape.grids import elevation_grid, render_grid, survey_grid
from croplayer.landscape.lines import LINE_CLASS
from croplayer.landscape.looks import season_colours
from croplayer.landscape.nodes import (
    NODES_PER_DEGREE,
    NodeGrid,
    node_grid,
)
from croplayer.landscape.sources import (
    N_WEATHER,
    ImagerySource,
    fill_weather,
    is_missing,
    source_by_name,
)
from croplayer.landscape.survey import new_memory
from croplayer.landscape.terrain import METRES_PER_LAT, METRES_PER_LON
from croplayer.landscape.textures import LEVELS, texture_pyramids
from stores.grid import Bounds

MISSING_ZOOM = 14
"""Imagery is missing in whole tiles of this zoom."""

SCENES_STEP = 7_919_000_000_017
"""Between the seeds of the scenes of two renewals; far from that between two countries."""

_IS_PARCEL = class_table(*(c for c in LandCover if c.is_parcel))


@dataclass(frozen=True)
class Survey:
    """Truth on a grid of points."""

    cover: np.ndarray
    """(h, w) uint8, `LandCover` codes."""

    parcel: np.ndarray
    """(h, w) int64, positive id of the cropland or orchard parcel; 0 where there is none (boundaries too)."""


@dataclass(frozen=True)
class Country:
    """A country that depends on its seed alone, not on the machine.

    Places are in degrees, EPSG:4326. The country is designed for 113-116 E, 33-36 N, but has a landscape anywhere on
    the lattice.
    """

    seed: int = 1
    """0 to 2**31 - 1."""

    years: int = 0
    """Years since the first one, in which the land changed (`landscape.years`); 0 to 20."""

    scenes: int = 0
    """Number of the renewal of all imagery: the scenes of each are others, of other days."""

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"seed is {self.seed}; expected an integer from 0 to {2**31 - 1}")
        if not 0 <= self.years <= 20 or not 0 <= self.scenes < 1000:
            raise ValueError(f"years are {self.years} and scenes {self.scenes}; expected 0 to 20, and 0 to 999")

    def survey(self, lon: np.ndarray, lat: np.ndarray, *, nodes: NodeGrid | None = None) -> Survey:
        """Land cover and parcels on the grid of an axis of longitudes and one of latitudes.

        Parameters
        ----------
        lon : (w,) float64 degrees, ascending
        lat : (h,) float64 degrees, in any order
        nodes : from `nodes`, to share them with a rendering
        """
        lon, lat = _checked_axes(lon, lat)
        if nodes is None:
            nodes = self.nodes(lon, lat)
        cover = np.empty((len(lat), len(lon)), dtype=np.uint8)
        parcel = np.empty(cover.shape, dtype=np.int64)
        survey_grid(np.uint64(self.seed), nodes, new_memory(), lon, lat, _IS_PARCEL, LINE_CLASS, cover, parcel)
        return Survey(cover, parcel)

    def land_cover(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Truth class: (h, w) uint8 `LandCover` codes on the grid of two axes in degrees."""
        return self.survey(lon, lat).cover

    def parcel_id(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Parcel ids: (h, w) int64, 0 outside cropland and orchard parcels."""
        return self.survey(lon, lat).parcel

    def is_cropland(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Whether each point is cropland by the map's definition: (h, w) bool."""
        return np.asarray(IS_CROPLAND[self.survey(lon, lat).cover] == 1)

    def elevation_m(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Height of the ground (of the water surface on rivers and lakes): (h, w) float32 metres."""
        lon, lat = _checked_axes(lon, lat)
        out = np.empty((len(lat), len(lon)), dtype=np.float32)
        elevation_grid(np.uint64(self.seed), lon, lat, out)
        return out

    def render(
        self, source: str, lon: np.ndarray, lat: np.ndarray, *, nodes: NodeGrid | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Image of a grid of pixels as a source shows it.

        Parameters
        ----------
        source : ``aster`` or ``borealis``
        lon : (w,) float64 degrees, ascending, evenly spaced pixel centres
        lat : (h,) float64 degrees, pixel centres, evenly spaced to within the curvature of a map projection
        nodes : from `nodes`, to share them between sources

        Returns
        -------
        rgb : (h, w, 3) uint8, 0 where there is no imagery
        valid : (h, w) bool, False where the source has no imagery
        """
        provider = source_by_name(source)
        lon, lat = _checked_axes(lon, lat)
        if nodes is None:
            nodes = self.nodes(lon, lat)
        px = _pixel_size_m(lon, lat)
        weather, scenes = self._weather(provider, nodes)
        parameters = provider.parameters(self.seed)
        rgb = np.empty((len(lat), len(lon), 3), dtype=np.uint8)
        render_grid(
            np.uint64(self.seed), self._scene_seed(provider), nodes, new_memory(), weather, scenes, parameters,
            season_colours(), texture_pyramids(self.seed), lon, lat, px, _texture_level(px * provider.blur), rgb,
        )  # fmt: skip
        valid = self.has_imagery(source, lon, lat)
        rgb[~valid] = 0
        return rgb, valid

    def has_imagery(self, source: str, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Whether a source has imagery of a grid of places: (h, w) bool; missing in whole zoom 14 tiles."""
        provider = source_by_name(source)
        tile_x = np.floor((np.asarray(lon) + 180.0) / 360.0 * 2**MISSING_ZOOM).astype(np.int64)
        y = (1.0 - np.arcsinh(np.tan(np.deg2rad(lat))) / np.pi) / 2.0 * 2**MISSING_ZOOM
        tile_y = np.floor(y).astype(np.int64)
        xs, column = np.unique(tile_x, return_inverse=True)
        ys, line = np.unique(tile_y, return_inverse=True)
        centre_lon = (xs + 0.5) / 2**MISSING_ZOOM * 360.0 - 180.0
        centre_lat = np.rad2deg(np.arctan(np.sinh(np.pi * (1.0 - 2.0 * (ys + 0.5) / 2**MISSING_ZOOM))))
        missing = np.array(
            [
                [
                    is_missing(
                        self._scene_seed(provider),
                        provider.parameters(self.seed),
                        tx,
                        ty,
                        x * METRES_PER_LON,
                        round(y, 9) * METRES_PER_LAT,
                    )
                    for tx, x in zip(xs, centre_lon, strict=True)
                ]
                for ty, y in zip(ys, centre_lat, strict=True)
            ]
        )
        return ~missing[np.ix_(line, column)]

    def weather(self, source: str, nodes: NodeGrid) -> np.ndarray:
        """Cloud, cloud shadow, haze and snow of a source at nodes: (rows, 4, cols) float32, 0-1."""
        return self._weather(source_by_name(source), nodes)[0]

    def nodes(self, lon: np.ndarray, lat: np.ndarray, *, per_degree: int = NODES_PER_DEGREE) -> NodeGrid:
        """Node fields around a grid, with a margin for the shifts of the sources.

        Parameters
        ----------
        lon, lat : axes of the grid in degrees
        per_degree : nodes along a degree; less than 3600 is faster and good enough only for overviews
        """
        box = Bounds(float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max()))
        return node_grid(self.seed, box, per_degree=per_degree, years=float(self.years))

    def _scene_seed(self, provider: ImagerySource) -> np.uint64:
        return provider.scene_seed(self.seed) + np.uint64(SCENES_STEP * self.scenes)

    def _weather(self, provider: ImagerySource, nodes: NodeGrid) -> tuple[np.ndarray, np.ndarray]:
        rows, _, cols = nodes.fields.shape
        weather = np.empty((rows, N_WEATHER, cols), dtype=np.float32)
        scenes = np.empty((rows, cols, 2), dtype=np.int32)
        fill_weather(
            self._scene_seed(provider), provider.parameters(self.seed), nodes.col, nodes.row, nodes.per_degree,
            weather, scenes,
        )  # fmt: skip
        return weather, scenes


def _checked_axes(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lon = np.ascontiguousarray(lon, dtype=np.float64)
    lat = np.ascontiguousarray(lat, dtype=np.float64)
    if lon.ndim != 1 or lat.ndim != 1 or not lon.size or not lat.size:
        raise ValueError(
            f"lon has shape {lon.shape} and lat {lat.shape}; expected two non-empty axes (w,) and (h,) of a grid"
        )
    return lon, lat


def _pixel_size_m(lon: np.ndarray, lat: np.ndarray) -> float:
    """Pixel height in metres (width for a single row, 2 m for a single pixel), to the centimetre."""
    if len(lat) > 1:
        return round(abs(float(lat[-1] - lat[0])) / (len(lat) - 1) * METRES_PER_LAT, 2)
    if len(lon) > 1:
        return round(abs(float(lon[-1] - lon[0])) / (len(lon) - 1) * METRES_PER_LON, 2)
    return 2.0


def _texture_level(px: float) -> int:
    """The pyramid level whose texel is nearest to a footprint of ``px`` metres."""
    level = 0
    while level < LEVELS - 1 and px > 1.45 * 2**level:
        level += 1
    return level
