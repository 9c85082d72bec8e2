"""Colour of a surveyed row, from the ground up: soil and plants, lines, snow, relief, weather, sensor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.classes import LandCover
from croplayer.landscape.kernel_cache import inlined_kernel, kernel, typed_kernel
from croplayer.landscape.lines import (
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
from croplayer.landscape.looks import NO_LOOK, Look, look_of
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


class Colour(NamedTuple):
    """A colour, 0-255, or the factor of a tint on each band."""

    red: float
    """Red."""

    green: float
    """Green."""

    blue: float
    """Blue."""


NO_TINT = Colour(1.0, 1.0, 1.0)


class Sensor(NamedTuple):
    """How a source renders colours; see `ImagerySource`."""

    saturation: float
    """1 is neutral, less is greyer."""

    gain: float
    """Contrast; 1 is neutral."""

    lift: float
    """Brightness added so that the gain turns around middle grey, 118, before the source's own offset."""


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
    """Column."""

    j: int
    """Row."""

    grain: float
    """Fine grain."""

    mottle: float
    """Mottle of some metres."""

    patch: float
    """The mottle of broad patches."""

    plants: float
    """Crowns in woods, tufts in shrub and grass, 0 elsewhere."""


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
    colours, textures, level, px = canvas.colours, canvas.textures, canvas.level, canvas.px
    sensor, tint, look = _sensor(canvas.parameters), NO_TINT, NO_LOOK
    last_cover, last_key, last_scene, season = -1, np.uint64(0), -1, 1
    for p in range(len(position)):
        whole = np.floor(position[p])
        c, t = int(whole) - node_col, position[p] - whole
        x = (position[p] + 0.5) * step_x
        wild, dry = between(row, WILDNESS, c, t), between(row, DRYNESS, c, t)
        cover, key, kind = int(found.cover[p]), found.key[p], int(found.line[p])
        if cover != last_cover or key != last_key or scene_of[p] != last_scene:
            last_cover, last_key, last_scene = cover, key, scene_of[p]
            season, tint = _scene(canvas.scenes[last_scene])
            look = look_of(colours, cover, key, season, px)
        texels = _texels(textures, level, look, cover, x, y)
        colour = _ground(look, cover, key, texels, px, x, y, np.float64(found.u[p]), np.float64(found.v[p]), wild, dry)
        if kind != NO_LINE:
            plants = _texture(textures, level, CANOPY if kind == TREES else ROUGH, texels.i, texels.j)
            base = _base_colour(colours, season, _WOODLAND if kind == TREES else _WATER)
            over = _line_colour(kind, found.inside[p], key, base, plants, texels.grain, wild)
            colour = _mixed(colour, over, _line_share(kind, found.inside[p], px))
        snow = between(sky, SNOW, c, t)
        if snow > 0.02 and kind != RIVER_WATER:
            colour = _with_snow(snow, cover, kind, texels, wild, colour)
        shade = 1.0
        if kind != RIVER_WATER and cover != _WATER:
            shade = _hillshade(between(row, SLOPE_X, c, t), between(row, SLOPE_Y, c, t))
        cloud, shadow, haze = between(sky, CLOUD, c, t), between(sky, SHADOW, c, t), between(sky, HAZE, c, t)
        colour = _through_air(cloud, shadow, haze, shade, wild, colour)
        rgb[p, 0], rgb[p, 1], rgb[p, 2] = _exposed(sensor, tint, colour)


@inlined_kernel
def _scene(scene: np.ndarray) -> tuple[int, Colour]:
    """Season and tint of a scene's record."""
    return int(scene[S_SEASON]), Colour(scene[S_RED], scene[S_GREEN], scene[S_BLUE])


@inlined_kernel
def _base_colour(colours: np.ndarray, season: int, cover: int) -> Colour:
    return Colour(colours[season, cover, 0], colours[season, cover, 1], colours[season, cover, 2])


@inlined_kernel
def _texels(textures: np.ndarray, level: int, look: Look, cover: int, x: float, y: float) -> Texels:
    """Texture at a place; each parcel reads it from an offset of its own, so that neighbours differ."""
    texel = 1.0 / (1 << level)
    # Textures repeat after 512 texels, a power of two, so the remainder is a mask, for negative places too.
    i = int(np.floor((x + look.offset_u) * texel)) & 511
    j = int(np.floor((y + look.offset_v) * texel)) & 511
    patch_i = int(np.floor((x + 2.0 * look.offset_v) * PATCH_SCALE * texel)) & 511
    patch_j = int(np.floor((y - 2.0 * look.offset_u) * PATCH_SCALE * texel)) & 511
    plants = 0.0
    if cover in (_WOODLAND, _SHRUB, _GRASSLAND, _BARE):
        plants = _texture(textures, level, CANOPY if cover == _WOODLAND else ROUGH, i, j)
    return Texels(
        i,
        j,
        _texture(textures, level, GRAIN, i, j),
        _texture(textures, level, MOTTLE, i, j),
        _texture(textures, level, MOTTLE, patch_i, patch_j),
        plants,
    )


@typed_kernel("float64(int8[:, :, :, ::1], int64, int64, int64, int64)", inlined=True)
def _texture(textures: np.ndarray, level: int, texture: int, i: int, j: int) -> float:
    return float(textures[texture, level, j, i] / 127.0)


@inlined_kernel
def _ground(
    look: Look,
    cover: int,
    key: np.uint64,
    texels: Texels,
    px: float,
    x: float,
    y: float,
    u: float,
    v: float,
    wild: float,
    dry: float,
) -> Colour:
    """Soil and plants in the light of noon."""
    soil = look.soil * 2.0 * (dry - 0.3)
    red, green, blue = look.red * (1.0 + soil), look.green, look.blue * (1.0 - soil)
    light = look.grain * texels.grain + look.mottle * (texels.mottle + 0.7 * texels.patch)
    if cover == _WOODLAND:
        light = 52.0 * texels.plants + 22.0 * wild + 12.0 * texels.mottle
        red += 10.0 * wild
    elif cover == _ORCHARD:
        dome, fade = _tree(key, px, u, v)
        light += 75.0 * -dome + 9.0 * fade
        red -= 26.0 * dome
        green += 20.0 * dome
    elif cover == _SHRUB:
        light += 44.0 * texels.plants + 16.0 * wild
    elif cover in (_GRASSLAND, _BARE):
        light += 22.0 * texels.plants + 14.0 * wild
    elif cover == _DUNE:
        crest = (0.8 * x + 0.6 * y + 90.0 * wild) / 95.0
        light += 15.0 * _wave(crest)
    elif look.rows > 0.2 or look.strips > 0.2:
        light += look.rows * _wave((v + look.phase_m) / look.spacing_m)
        light += look.strips * _wave((v + look.phase_m) / 31.0 + 0.15 * texels.mottle)
    if cover <= _GRASSLAND:
        red += 11.0 * texels.patch
        green -= 4.0 * texels.patch
    return Colour(red + light, green + light, blue + 0.85 * light)


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
def _mixed(colour: Colour, over: Colour, share: float) -> Colour:
    """A colour under a share of another."""
    return Colour(
        colour.red + (over.red - colour.red) * share,
        colour.green + (over.green - colour.green) * share,
        colour.blue + (over.blue - colour.blue) * share,
    )


@inlined_kernel
def _line_share(kind: int, inside: float, px: float) -> float:
    """Share of a pixel that a line covers, from the depth of its centre; bunds and streets let some ground through."""
    share = min(max(0.5 + inside * (1.0 / max(px, 1e-6)), 0.0), 1.0)
    if kind == BUND:
        return share * 0.85
    if kind == STREET:
        return share * 0.8
    return share


@inlined_kernel
def _line_colour(
    kind: int, inside: float, key: np.uint64, base: Colour, plants: float, grain: float, wild: float
) -> Colour:
    """Colour of a line; ``base`` is that of woods for a row of trees, else that of water."""
    if kind == BUND:
        # Bunds are bare beside half of the parcels and grassy beside the others.
        if (key >> np.uint64(20)) & np.uint64(1):
            return Colour(170.0, 154.0, 118.0)
        return Colour(118.0, 116.0, 80.0)
    if kind in (TRACK, LANE):
        return Colour(182.0, 166.0, 134.0)
    if kind == TREES:
        return Colour(base.red + 50.0 * plants, base.green + 50.0 * plants, base.blue + 42.0 * plants)
    if kind == DITCH:
        return Colour(74.0, 84.0, 68.0)
    if kind == HIGHWAY:
        return Colour(120.0, 122.0, 100.0) if inside < 1.5 else Colour(146.0, 145.0, 144.0)
    if kind == STREET:
        return Colour(128.0, 122.0, 112.0)
    if kind == RIVER_WATER:
        return Colour(
            base.red + 7.0 * wild + 5.0 * grain,
            base.green + 6.0 * wild + 5.0 * grain,
            base.blue + 5.0 * wild + 5.0 * grain,
        )
    rough = 30.0 * plants
    return Colour(104.0 + rough + 40.0 * wild, 112.0 + rough + 20.0 * wild, 76.0 + rough + 26.0 * wild)


@inlined_kernel
def _with_snow(snow: float, cover: int, kind: int, texels: Texels, wild: float, colour: Colour) -> Colour:
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
    return _mixed(colour, Colour(236.0 + sparkle, 239.0 + sparkle, 246.0 + sparkle), cap)


@inlined_kernel
def _hillshade(slope_x: float, slope_y: float) -> float:
    """Brightness of a slope (m/m eastwards and northwards), 1 on level ground."""
    shade = 1.0 - 1.25 * (slope_x * -SUN_X + slope_y * -SUN_Y)
    return min(max(shade, 0.42), 1.5)


@inlined_kernel
def _through_air(cloud: float, shadow: float, haze: float, shade: float, wild: float, colour: Colour) -> Colour:
    """The lit ground under cloud shadow, haze and cloud, each 0-1."""
    shade *= 1.0 - 0.5 * shadow
    lit = Colour(colour.red * shade, colour.green * shade, colour.blue * (shade * (1.0 + 0.1 * shadow)))
    seen = _mixed(lit, Colour(178.0, 188.0, 200.0), min(max(haze, 0.0), 0.85))
    if cloud > 0.0:
        top = 226.0 + 22.0 * cloud + 34.0 * wild * (1.0 - 0.5 * cloud)
        return _mixed(seen, Colour(top, top + 1.0, top + 4.0), cloud)
    return seen


@inlined_kernel
def _sensor(parameters: np.ndarray) -> Sensor:
    gain = parameters[P_GAIN]
    return Sensor(parameters[P_SATURATION], gain, parameters[P_OFFSET] + 118.0 * (1.0 - gain))


@inlined_kernel
def _exposed(sensor: Sensor, tint: Colour, colour: Colour) -> tuple[np.uint8, np.uint8, np.uint8]:
    """A colour as sensor and scene show it; 0 is left to pixels without imagery."""
    grey = (colour.red + colour.green + colour.blue) / 3.0
    red = (grey + sensor.saturation * (colour.red - grey)) * tint.red
    green = (grey + sensor.saturation * (colour.green - grey)) * tint.green
    blue = (grey + sensor.saturation * (colour.blue - grey)) * tint.blue
    return (
        np.uint8(min(max(red * sensor.gain + sensor.lift + 0.5, 1.0), 255.0)),
        np.uint8(min(max(green * sensor.gain + sensor.lift + 0.5, 1.0), 255.0)),
        np.uint8(min(max(blue * sensor.gain + sensor.lift + 0.5, 1.0), 255.0)),
    )
