"""The two invented imagery sources: dates, colour, sharpness, shift, and where each of them fails."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.kernel_cache import kernel
from croplayer.landscape.noise import draw, fbm, hash2, noise2, salted, smoothstep
from croplayer.landscape.regions import eastness, southness
from croplayer.landscape.terrain import METRES_PER_LAT, METRES_PER_LON, relief_at

SCENE_M = 17_000.0
"""Mean size of a scene, the piece of a mosaic that was taken at one date."""

CLOUD, SHADOW, HAZE, SNOW = range(4)
"""Fields of the weather at a node."""

N_WEATHER = 4

S_SEASON, S_RED, S_GREEN, S_BLUE, S_HAZE, S_SHIFT_X, S_SNOW = range(7)
"""Columns of a scene's record: season (0 spring to 3 winter), factors of the tint, haze, eastward shift (m), snow."""

N_SCENE = 7

(
    P_SEED,
    P_GAIN,
    P_OFFSET,
    P_SATURATION,
    P_BLUR,
    P_SHIFT_X,
    P_SHIFT_Y,
    P_AUTUMN,
    P_CLOUDY,
    P_CLOUD_SOUTH,
    P_SNOWY,
    P_SNOW_NORTH_EAST,
    P_MISSING,
    P_MISSING_WEST,
    P_HAZY,
) = range(15)
"""Columns of `ImagerySource.parameters`."""


@dataclass(frozen=True)
class ImagerySource:
    """An invented provider; all shares and trends are those of its defects, not of the land."""

    name: str
    """Name in paths and tables."""

    salt: int
    """Makes its scenes and weather differ from those of the other source."""

    gain: float
    """Contrast of its colours; 1 is neutral."""

    offset: float
    """Brightness added, 0-255."""

    saturation: float
    """1 is neutral, less is greyer."""

    blur: float
    """Width of a pixel's footprint in pixels; 1 is sharp."""

    shift_x_m: float
    """How far east of the truth its picture lies, metres."""

    shift_y_m: float
    """How far north of the truth its picture lies, metres."""

    autumn: float
    """Share of scenes taken in autumn or spring instead of summer, 0-1."""

    cloudy: float
    """How much cloud, about -1 (never) to 1."""

    cloud_south: float
    """How much cloudier the south is than the north."""

    snowy: float
    """How much snow, about -1 (never) to 1."""

    snow_north_east: float
    """How much snowier the north-east is than the south-west."""

    missing: float
    """How many tiles are missing, about -1 (none) to 1."""

    missing_west: float
    """How many more tiles are missing in the west and north-east."""

    hazy: float
    """How hazy, 0-1."""

    overzoomed: float
    """Share of zoom 14 tiles that are blown up from a coarser picture, 0-1."""

    jpeg_quality: int
    """Quality of its tiles, 1-95."""

    def parameters(self, seed: int) -> np.ndarray:
        """The numbers the kernels need: (15,) float64; the seed is split off by `scene_seed`."""
        return np.array(
            [
                0.0,
                self.gain,
                self.offset,
                self.saturation,
                self.blur,
                self.shift_x_m,
                self.shift_y_m,
                self.autumn,
                self.cloudy,
                self.cloud_south,
                self.snowy,
                self.snow_north_east,
                self.missing,
                self.missing_west,
                self.hazy,
            ]
        )

    def scene_seed(self, seed: int) -> np.uint64:
        """Seed of the source's scenes and weather."""
        return np.uint64(seed * 1_000_003 + self.salt)


ASTER = ImagerySource(
    name="aster",
    salt=501,
    gain=1.06,
    offset=2.0,
    saturation=1.12,
    blur=1.0,
    shift_x_m=1.4,
    shift_y_m=-0.9,
    autumn=0.25,
    cloudy=-0.12,
    cloud_south=0.35,
    snowy=-0.75,
    snow_north_east=0.1,
    missing=-0.8,
    missing_west=0.0,
    hazy=0.25,
    overzoomed=0.004,
    jpeg_quality=88,
)

BOREALIS = ImagerySource(
    name="borealis",
    salt=907,
    gain=0.94,
    offset=9.0,
    saturation=0.82,
    blur=1.5,
    shift_x_m=-2.1,
    shift_y_m=1.7,
    autumn=0.7,
    cloudy=-0.42,
    cloud_south=0.1,
    snowy=-0.28,
    snow_north_east=0.3,
    missing=-0.58,
    missing_west=0.15,
    hazy=0.45,
    overzoomed=0.02,
    jpeg_quality=72,
)

SOURCES: dict[str, ImagerySource] = {s.name: s for s in (ASTER, BOREALIS)}
"""The two sources by name."""


def source_by_name(name: str) -> ImagerySource:
    """The source with a name.

    Raises
    ------
    ValueError
        for an unknown name.
    """
    if name not in SOURCES:
        raise ValueError(f"imagery source '{name}' does not exist; expected one of {', '.join(SOURCES)}")
    return SOURCES[name]


@kernel
def scene_at(seed: np.uint64, x: float, y: float) -> tuple[int, int]:
    """Lattice index of the scene that shows a place: the nearest of jittered scene centres."""
    ci = int(np.floor(x / SCENE_M))
    cj = int(np.floor(y / SCENE_M))
    best = 1e18
    bi = ci
    bj = cj
    for i in range(ci - 1, ci + 2):
        for j in range(cj - 1, cj + 2):
            own = hash2(salted(seed, draws.SCENE_CENTRE), i, j)
            dx = x - (i + 0.15 + 0.7 * draw(own, draws.SCENE_X)) * SCENE_M
            dy = y - (j + 0.15 + 0.7 * draw(own, draws.SCENE_Y)) * SCENE_M
            d = dx * dx + dy * dy
            if d < best:
                best = d
                bi = i
                bj = j
    return bi, bj


@kernel
def fill_scene(seed: np.uint64, parameters: np.ndarray, i: int, j: int, record: np.ndarray) -> None:
    """Fill the record of a scene: its season (0 spring to 3 winter), tint, haze, shift, snow and cloud."""
    own = hash2(salted(seed, draws.SCENE), i, j)
    x = (i + 0.5) * SCENE_M
    y = (j + 0.5) * SCENE_M
    season = 1.0
    if draw(own, draws.SCENE_AUTUMN) < parameters[P_AUTUMN]:
        season = 0.0 if draw(own, draws.SCENE_SPRING) < 0.35 else 2.0
    snow = parameters[P_SNOWY] + parameters[P_SNOW_NORTH_EAST] * 0.5 * (eastness(x) - southness(y))
    snow += 1.25 * (draw(own, draws.SCENE_SNOW) - 0.5)
    record[S_SNOW] = snow
    if snow > 0.0:
        season = 3.0
    record[S_SEASON] = season
    record[S_RED] = 1.0 + 0.10 * (draw(own, draws.SCENE_RED) - 0.5)
    record[S_GREEN] = 1.0 + 0.07 * (draw(own, draws.SCENE_GREEN) - 0.5)
    record[S_BLUE] = 1.0 + 0.12 * (draw(own, draws.SCENE_BLUE) - 0.5)
    record[S_HAZE] = parameters[P_HAZY] * draw(own, draws.SCENE_HAZE) * 0.5
    record[S_SHIFT_X] = 2.4 * (draw(own, draws.SCENE_SHIFT) - 0.5)


@kernel
def _cloud_density(seed: np.uint64, x: float, y: float) -> float:
    return (
        0.75 * noise2(salted(seed, draws.CLOUD_COARSE), x / 5_200.0, y / 5_200.0)
        + 0.42 * fbm(salted(seed, draws.CLOUD_FINE), x / 1_500.0, y / 1_500.0, 4)
        + 0.1
    )


@kernel
def cloud_cover_at(seed: np.uint64, parameters: np.ndarray, x: float, y: float) -> float:
    """How cloudy the source is around a place; thick cloud appears above about 0."""
    return float(
        parameters[P_CLOUDY]
        + parameters[P_CLOUD_SOUTH] * southness(y)
        + 0.95 * noise2(salted(seed, draws.CLOUD_COVER), x / 13_000.0, y / 13_000.0)
    )


@kernel
def is_missing(seed: np.uint64, parameters: np.ndarray, tile_x: int, tile_y: int, x: float, y: float) -> bool:
    """Whether the source has no imagery in a zoom 14 tile whose centre is at (x, y)."""
    trend = max(-eastness(x), 0.6 * (eastness(x) - southness(y)))
    chance = parameters[P_MISSING] + parameters[P_MISSING_WEST] * trend
    chance += 1.0 * noise2(salted(seed, draws.MISSING), x / 11_000.0, y / 11_000.0)
    return bool(
        chance + 0.12 * (draw(hash2(salted(seed, draws.MISSING_TILE), tile_x, tile_y), draws.TILE_MISSING) - 0.5) > 0.0
    )


@kernel
def fill_weather(
    seed: np.uint64,
    parameters: np.ndarray,
    col: int,
    row: int,
    nodes_per_degree: int,
    weather: np.ndarray,
    scenes: np.ndarray,
) -> None:
    """Fill the source's cloud, shadow, haze and snow (0-1) and its scenes on a node grid.

    ``weather`` is (rows, N_WEATHER, cols) float32, ``scenes`` (rows, cols, 2) int32.
    """
    rows, _, cols = weather.shape
    record = np.zeros(N_SCENE)
    for r in range(rows):
        for c in range(cols):
            x = (col + c + 0.5) * METRES_PER_LON / nodes_per_degree
            y = (row + r + 0.5) * METRES_PER_LAT / nodes_per_degree
            i, j = scene_at(seed, x, y)
            scenes[r, c, 0] = i
            scenes[r, c, 1] = j
            fill_scene(seed, parameters, i, j, record)
            cover = cloud_cover_at(seed, parameters, x, y)
            cloud = 0.0
            shadow = 0.0
            if cover > -0.35:
                density = _cloud_density(seed, x, y) + 1.3 * cover - 0.35
                cloud = smoothstep(0.0, 0.42, density)
                density = _cloud_density(seed, x - 260.0, y - 340.0) + 1.3 * cover - 0.35
                shadow = smoothstep(0.0, 0.35, density)
            weather[r, CLOUD, c] = cloud
            weather[r, SHADOW, c] = shadow
            weather[r, HAZE, c] = record[S_HAZE] * (
                0.7 + 0.5 * noise2(salted(seed, draws.HAZE), x / 6_000.0, y / 6_000.0)
            ) + (
                0.5 * smoothstep(-0.4, 0.25, cover) * smoothstep(-0.35, 0.2, _cloud_density(seed, x, y))
                if cover > -0.4
                else 0.0
            )
            snow = record[S_SNOW] + 0.35 * relief_at(seed, x, y)
            weather[r, SNOW, c] = smoothstep(
                -0.05, 0.45, snow + 0.45 * noise2(salted(seed, draws.SNOW), x / 2_600.0, y / 2_600.0)
            )
