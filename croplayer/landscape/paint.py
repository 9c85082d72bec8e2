"""Colour of a surveyed row, from the ground up: soil and plants, lines, snow, relief, weather, sensor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.classes import LandCover
from croplayer.landscape.kernel_cache import inlined_kernel, kernel
from croplayer.landscape.lines import (
    BANK,
    BUND,
    DITCH,
    HIGHWAY,
    LANE,
    NO_LINE,
    RIVER_WATER,
    STREET,
    TRACK,
    TREES,
)
from croplayer.landscape.looks import (
    L_BLUE,
    L_GRAIN,
    L_GREEN,
    L_MOTTLE,
    L_OFFSET_U,
    L_OFFSET_V,
    L_PHASE,
    L_RED,
    L_ROWS,
    L_SOIL,
    L_SPACING,
    L_STRIPS,
    N_LOOK,
    fill_look,
)
from croplayer.landscape.nodes import DRYNESS, SLOPE_X, SLOPE_Y, WILDNESS, between
from croplayer.landscape.noise import salted, smoothstep, unit
from croplayer.landscape.sources import (
    CLOUD,
    HAZE,
    P_GAIN,
    P_OFFSET,
    P_SATURATION,
    S_BLUE,
    S_GREEN,
    S_RED,
    S_SEASON,
    SHADOW,
    SNOW,
)
from croplayer.landscape.survey import SurveyedRow
from croplayer.landscape.textures import CANOPY, GRAIN, MOTTLE, ROUGH

SUN_X, SUN_Y = 0.62, -0.55
"""Horizontal direction away from the sun in the country's metres (the sun stands in the north-west of the picture)."""

PATCH_SCALE = 0.23
"""The mottle is read a second time at this scale, turned into broad patches; it hides that textures repeat."""

_ORCHARD = int(LandCover.ORCHARD)
_WOODLAND = int(LandCover.WOODLAND)
_SHRUB = int(LandCover.SHRUB)
_GRASSLAND = int(LandCover.GRASSLAND)
_WATER = int(LandCover.WATER)
_BUILT = int(LandCover.BUILT)
_DUNE = int(LandCover.DUNE)
_BARE = int(LandCover.BARE)

_Colour = tuple[float, float, float]
"""Red, green and blue, 0-255."""


class Canvas(NamedTuple):
    """What all rows of a picture share."""

    colours: np.ndarray
    """(4, 256, 3) float64 from `season_colours`."""

    textures: np.ndarray
    """(N_TEXTURES, LEVELS, SIZE, SIZE) int8 from `texture_pyramids`."""

    level: int
    """Level of the texture pyramid."""

    px: float
    """Footprint of a pixel, metres."""

    parameters: np.ndarray
    """(15,) float64 from `ImagerySource.parameters`."""

    scenes: np.ndarray
    """(n, N_SCENE) float64, records from `fill_scene`."""


class Texels(NamedTuple):
    """Texture under a pixel; brightness -1 to 1."""

    i: int
    j: int
    grain: float
    mottle: float
    patch: float


@kernel
def paint_row(
    canvas: Canvas,
    scene_of: np.ndarray,
    sky: np.ndarray,
    row: np.ndarray,
    position: np.ndarray,
    node_col: int,
    step_x: float,
    y: float,
    found: SurveyedRow,
    rgb: np.ndarray,
) -> None:
    """Colour one surveyed row.

    Parameters
    ----------
    scene_of : (w,) int32, index into the canvas' scenes
    sky : (N_WEATHER, cols) float32, weather interpolated to this row
    row : (N_FIELDS, cols) float32, node fields interpolated to this row
    position : (w,) float64, pixel positions in nodes of the lattice
    node_col : lattice index of the node grid's first column
    step_x, y : metres between two nodes, and of the row
    rgb : (w, 3) uint8 out
    """
    look = np.empty(N_LOOK)
    last_cover, last_key, last_scene, season = -1, np.uint64(0), -1, 1
    scene = canvas.scenes[0]
    for p in range(len(position)):
        whole = np.floor(position[p])
        c, t = int(whole) - node_col, position[p] - whole
        x = (position[p] + 0.5) * step_x
        wild, dry = between(row, WILDNESS, c, t), between(row, DRYNESS, c, t)
        cover, key, kind = int(found.cover[p]), found.key[p], found.line[p]
        if cover != last_cover or key != last_key or scene_of[p] != last_scene:
            last_cover, last_key, last_scene = cover, key, scene_of[p]
            scene = canvas.scenes[last_scene]
            season = int(scene[S_SEASON])
            fill_look(canvas.colours, cover, key, season, canvas.px, look)
        texels = _texels(canvas, look, x, y)
        u, v = np.float64(found.u[p]), np.float64(found.v[p])
        colour = _ground(canvas, look, cover, key, texels, x, y, u, v, wild, dry)
        if kind != NO_LINE:
            colour = _with_line(canvas, season, kind, found.inside[p], key, texels, wild, colour)
        snow = between(sky, SNOW, c, t)
        if snow > 0.02 and kind != RIVER_WATER:
            colour = _with_snow(snow, cover, kind, texels, wild, colour)
        shade = 1.0
        if kind != RIVER_WATER and cover != _WATER:
            shade = _hillshade(between(row, SLOPE_X, c, t), between(row, SLOPE_Y, c, t))
        _expose(canvas.parameters, scene, _through_air(sky, c, t, shade, wild, colour), rgb[p])


@inlined_kernel
def _texels(canvas: Canvas, look: np.ndarray, x: float, y: float) -> Texels:
    """Texture at a place; each parcel reads it from an offset of its own, so that neighbours differ."""
    texel = 1.0 / (1 << canvas.level)
    # Textures repeat after 512 texels, a power of two, so the remainder is a mask, for negative places too.
    i = int(np.floor((x + look[L_OFFSET_U]) * texel)) & 511
    j = int(np.floor((y + look[L_OFFSET_V]) * texel)) & 511
    patch_i = int(np.floor((x + 2.0 * look[L_OFFSET_V]) * PATCH_SCALE * texel)) & 511
    patch_j = int(np.floor((y - 2.0 * look[L_OFFSET_U]) * PATCH_SCALE * texel)) & 511
    return Texels(
        i, j, _texture(canvas, GRAIN, i, j), _texture(canvas, MOTTLE, i, j), _texture(canvas, MOTTLE, patch_i, patch_j)
    )


@inlined_kernel
def _texture(canvas: Canvas, texture: int, i: int, j: int) -> float:
    return float(canvas.textures[texture, canvas.level, j, i] / 127.0)


@inlined_kernel
def _ground(
    canvas: Canvas,
    look: np.ndarray,
    cover: int,
    key: np.uint64,
    texels: Texels,
    x: float,
    y: float,
    u: float,
    v: float,
    wild: float,
    dry: float,
) -> _Colour:
    """Soil and plants in the light of noon."""
    soil = look[L_SOIL] * 2.0 * (dry - 0.3)
    red, green, blue = look[L_RED] * (1.0 + soil), look[L_GREEN], look[L_BLUE] * (1.0 - soil)
    light = look[L_GRAIN] * texels.grain + look[L_MOTTLE] * (texels.mottle + 0.7 * texels.patch)
    if cover == _WOODLAND:
        light = 52.0 * _texture(canvas, CANOPY, texels.i, texels.j) + 22.0 * wild + 12.0 * texels.mottle
        red += 10.0 * wild
    elif cover == _ORCHARD:
        dome, fade = _tree(key, canvas.px, u, v)
        light += 75.0 * -dome + 9.0 * fade
        red -= 26.0 * dome
        green += 20.0 * dome
    elif cover == _SHRUB:
        light += 44.0 * _texture(canvas, ROUGH, texels.i, texels.j) + 16.0 * wild
    elif cover in (_GRASSLAND, _BARE):
        light += 22.0 * _texture(canvas, ROUGH, texels.i, texels.j) + 14.0 * wild
    elif cover == _DUNE:
        crest = (0.8 * x + 0.6 * y + 90.0 * wild) / 95.0
        light += 15.0 * _wave(crest)
    elif look[L_ROWS] > 0.2 or look[L_STRIPS] > 0.2:
        light += look[L_ROWS] * _wave((v + look[L_PHASE]) / look[L_SPACING])
        light += look[L_STRIPS] * _wave((v + look[L_PHASE]) / 31.0 + 0.15 * texels.mottle)
    if cover <= _GRASSLAND:
        red += 11.0 * texels.patch
        green -= 4.0 * texels.patch
    return red + light, green + light, blue + 0.85 * light


@inlined_kernel
def _tree(key: np.uint64, px: float, u: float, v: float) -> tuple[float, float]:
    """Height of an orchard's round crowns above the ground between them, and how far pixels resolve the trees, 0-1."""
    spacing = 5.0 + 3.0 * unit(salted(key, draws.TREE_SPACING))
    fade = 1.0 - smoothstep(0.3, 0.8, px / spacing)
    a = u / spacing + 0.5
    b = v / spacing + 0.5
    a = a - np.floor(a) - 0.5
    b = b - np.floor(b) - 0.5
    d = a * a + b * b
    dome = (0.42 - 3.2 * d) * fade
    if dome < -0.2 * fade:
        dome = -0.2 * fade
    return dome, fade


@inlined_kernel
def _wave(x: float) -> float:
    """Periodic wave of period 1 between -1 and 1, made of two parabolas: a sine is not the same on every machine."""
    t = x - np.floor(x)
    if t < 0.5:
        return float(16.0 * t * (0.5 - t))
    return float(-16.0 * (t - 0.5) * (1.0 - t))


@inlined_kernel
def _mixed(colour: _Colour, over: _Colour, share: float) -> _Colour:
    """A colour under a share of another."""
    red, green, blue = colour
    return red + (over[0] - red) * share, green + (over[1] - green) * share, blue + (over[2] - blue) * share


@inlined_kernel
def _with_line(
    canvas: Canvas,
    season: int,
    kind: int,
    inside: float,
    key: np.uint64,
    texels: Texels,
    wild: float,
    colour: _Colour,
) -> _Colour:
    """The ground with the share of the pixel that a line covers."""
    share = min(max(0.5 + inside * (1.0 / max(canvas.px, 1e-6)), 0.0), 1.0)
    if kind == BUND:
        share *= 0.85
    elif kind == STREET:
        share *= 0.8
    return _mixed(colour, _line_colour(canvas, season, kind, inside, key, texels, wild), share)


@inlined_kernel
def _line_colour(
    canvas: Canvas, season: int, kind: int, inside: float, key: np.uint64, texels: Texels, wild: float
) -> _Colour:
    if kind == BUND:
        # Bunds are bare beside half of the parcels and grassy beside the others.
        if (key >> np.uint64(20)) & np.uint64(1):
            return 170.0, 154.0, 118.0
        return 118.0, 116.0, 80.0
    if kind in (TRACK, LANE):
        return 182.0, 166.0, 134.0
    if kind == DITCH:
        return 74.0, 84.0, 68.0
    if kind == HIGHWAY:
        return (120.0, 122.0, 100.0) if inside < 1.5 else (146.0, 145.0, 144.0)
    if kind == STREET:
        return 128.0, 122.0, 112.0
    if kind == TREES:
        crown = _texture(canvas, CANOPY, texels.i, texels.j)
        wood = canvas.colours[season, _WOODLAND]
        return wood[0] + 50.0 * crown, wood[1] + 50.0 * crown, wood[2] + 42.0 * crown
    if kind == RIVER_WATER:
        water = canvas.colours[season, _WATER]
        return (
            water[0] + 7.0 * wild + 5.0 * texels.grain,
            water[1] + 6.0 * wild + 5.0 * texels.grain,
            water[2] + 5.0 * wild + 5.0 * texels.grain,
        )
    if kind == BANK:
        rough = 30.0 * _texture(canvas, ROUGH, texels.i, texels.j)
        return 104.0 + rough + 40.0 * wild, 112.0 + rough + 20.0 * wild, 76.0 + rough + 26.0 * wild
    return 150.0, 136.0, 104.0


@inlined_kernel
def _with_snow(snow: float, cover: int, kind: int, texels: Texels, wild: float, colour: _Colour) -> _Colour:
    """Snow in patches; it lies thinner on trees, roofs and roads."""
    hold = 1.0
    if cover == _WOODLAND:
        hold = 0.55
    elif cover == _BUILT or kind == HIGHWAY:
        hold = 0.75
    cap = smoothstep(0.3, 0.7, hold * snow + 0.22 * texels.mottle + 0.08 * wild) * (1.0 if hold == 1.0 else 0.75)
    if kind in (TREES, DITCH, BUND):
        cap *= 0.6
    sparkle = 8.0 * texels.grain
    return _mixed(colour, (236.0 + sparkle, 239.0 + sparkle, 246.0 + sparkle), cap)


@inlined_kernel
def _hillshade(slope_x: float, slope_y: float) -> float:
    """Brightness of a slope (m/m eastwards and northwards), 1 on level ground."""
    shade = 1.0 - 1.25 * (slope_x * -SUN_X + slope_y * -SUN_Y)
    return min(max(shade, 0.42), 1.5)


@inlined_kernel
def _through_air(sky: np.ndarray, c: int, t: float, shade: float, wild: float, colour: _Colour) -> _Colour:
    """The lit ground under cloud shadow, haze and cloud."""
    cloud, shadow, haze = between(sky, CLOUD, c, t), between(sky, SHADOW, c, t), between(sky, HAZE, c, t)
    shade *= 1.0 - 0.5 * shadow
    lit = colour[0] * shade, colour[1] * shade, colour[2] * (shade * (1.0 + 0.1 * shadow))
    seen = _mixed(lit, (178.0, 188.0, 200.0), min(max(haze, 0.0), 0.85))
    if cloud > 0.0:
        top = 226.0 + 22.0 * cloud + 34.0 * wild * (1.0 - 0.5 * cloud)
        return _mixed(seen, (top, top + 1.0, top + 4.0), cloud)
    return seen


@inlined_kernel
def _expose(parameters: np.ndarray, scene: np.ndarray, colour: _Colour, out: np.ndarray) -> None:
    """Write a colour as the sensor and the scene's tint show it; 0 is left to pixels without imagery."""
    red, green, blue = colour
    grey = (red + green + blue) / 3.0
    saturation, gain = parameters[P_SATURATION], parameters[P_GAIN]
    lift = parameters[P_OFFSET] + 118.0 * (1.0 - gain)
    red = (grey + saturation * (red - grey)) * scene[S_RED]
    green = (grey + saturation * (green - grey)) * scene[S_GREEN]
    blue = (grey + saturation * (blue - grey)) * scene[S_BLUE]
    out[0] = np.uint8(min(max(red * gain + lift + 0.5, 1.0), 255.0))
    out[1] = np.uint8(min(max(green * gain + lift + 0.5, 1.0), 255.0))
    out[2] = np.uint8(min(max(blue * gain + lift + 0.5, 1.0), 255.0))
