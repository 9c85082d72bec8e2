"""How a parcel or plot looks in a season: its colour and the strength of each texture on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.classes import LandCover
from croplayer.landscape.kernel_cache import kernel
from croplayer.landscape.noise import draw, salted, smoothstep


class Texture(NamedTuple):
    """Strength of each texture, in grey levels."""

    grain: float
    """Of single texels."""

    mottle: float
    """Of patches of some metres."""

    rows: float
    """Of crop rows."""

    spacing_m: float
    """Between two crop rows."""

    strips: float
    """Of the strips that a tractor leaves."""


class Look(NamedTuple):
    """How a parcel or plot looks."""

    red: float
    """0-255."""

    green: float
    """0-255."""

    blue: float
    """0-255."""

    grain: float
    """Strengths of textures in grey levels, as in `Texture`."""

    mottle: float
    """As in `Texture`."""

    rows: float
    """As in `Texture`."""

    spacing_m: float
    """As in `Texture`."""

    strips: float
    """As in `Texture`."""

    phase_m: float
    """Shift of rows and strips."""

    offset_u: float
    """Shift into the textures, texels."""

    offset_v: float
    """Shift into the textures, texels."""

    soil: float
    """How far the colour follows the dryness of the soil."""


NO_LOOK = Look(*[0.0] * len(Look._fields))

_PADDY = int(LandCover.PADDY)
_VEGETABLES = int(LandCover.VEGETABLES)
_FALLOW = int(LandCover.FALLOW)
_GREENHOUSE = int(LandCover.GREENHOUSE)
_SHRUB = int(LandCover.SHRUB)
_GRASSLAND = int(LandCover.GRASSLAND)
_WATER = int(LandCover.WATER)
_BUILT = int(LandCover.BUILT)
_DUNE = int(LandCover.DUNE)
_BARE = int(LandCover.BARE)


def season_colours() -> np.ndarray:
    """Typical colour of every land cover in spring, summer, autumn and winter: (4, 256, 3) float64, 0-255."""
    table = np.full((4, 256, 3), 120.0)
    rows: dict[LandCover, tuple[tuple[int, int, int], ...]] = {
        LandCover.WINTER_GRAIN: ((88, 116, 60), (186, 166, 112), (146, 122, 92), (108, 114, 78)),
        LandCover.MAIZE: ((158, 134, 102), (70, 106, 52), (170, 148, 102), (150, 130, 102)),
        LandCover.PADDY: ((98, 104, 90), (88, 134, 62), (182, 160, 86), (128, 114, 86)),
        LandCover.VEGETABLES: ((104, 124, 76), (84, 124, 66), (110, 122, 78), (118, 116, 84)),
        LandCover.OILSEED: ((190, 178, 66), (120, 128, 78), (142, 122, 94), (104, 118, 76)),
        LandCover.FALLOW: ((150, 136, 106), (134, 134, 92), (158, 140, 108), (150, 136, 110)),
        LandCover.GREENHOUSE: ((198, 204, 206), (204, 208, 210), (196, 202, 206), (206, 210, 212)),
        LandCover.ORCHARD: ((118, 122, 80), (74, 100, 54), (110, 106, 66), (128, 116, 90)),
        LandCover.WOODLAND: ((66, 84, 50), (46, 70, 40), (82, 80, 48), (84, 80, 64)),
        LandCover.SHRUB: ((98, 104, 70), (86, 100, 62), (116, 108, 72), (112, 104, 82)),
        LandCover.GRASSLAND: ((126, 130, 86), (116, 132, 80), (152, 142, 98), (154, 142, 108)),
        LandCover.PARK: ((98, 124, 72), (86, 124, 64), (118, 124, 78), (132, 128, 92)),
        LandCover.WETLAND: ((90, 98, 66), (78, 96, 58), (118, 108, 70), (112, 104, 78)),
        LandCover.WATER: ((74, 90, 88), (56, 78, 76), (62, 82, 84), (70, 84, 92)),
        LandCover.BUILT: ((150, 144, 138), (150, 144, 138), (150, 144, 138), (150, 144, 140)),
        LandCover.BARE: ((178, 162, 136), (176, 162, 134), (178, 162, 136), (174, 160, 138)),
        LandCover.DUNE: ((204, 182, 140), (206, 184, 142), (204, 182, 142), (196, 178, 144)),
    }
    for cover, seasons in rows.items():
        table[:, int(cover)] = seasons
    return table


@kernel
def look_of(colours: np.ndarray, cover: int, key: np.uint64, season: int, px: float) -> Look:
    """The look of one parcel or plot.

    Parameters
    ----------
    colours : from `season_colours`
    cover : `LandCover` code
    key : hash of the parcel or plot; 0 for uncultivated land, whose textures have no offset and so no borders
    season : 0 spring to 3 winter
    px : pixel size in metres; rows that a pixel cannot resolve fade
    """
    own = salted(key, cover)
    if cover <= _FALLOW:
        season = _crop_season(own, season)
    bright = 1.0 + 0.2 * (draw(own, draws.LOOK_BRIGHTNESS) - 0.5)
    red, green, blue = colours[season, cover, 0], colours[season, cover, 1], colours[season, cover, 2]
    red, green, blue = red * bright, green * bright, blue * bright
    soil = 0.0
    if cover <= _FALLOW:
        hue = draw(own, draws.LOOK_HUE) - 0.5
        red *= 1.0 + 0.12 * hue
        blue *= 1.0 - 0.1 * hue
        # Soil shows where a field looks brown, and darkens or pales with how dry the land is.
        soil = 0.1 if red > green else 0.0
    elif cover == _BUILT:
        red, green, blue = _roof_colour(own)
    elif cover == _WATER and key != np.uint64(0):
        red *= 0.9 + 0.4 * draw(own, draws.LOOK_WATER_RED)
        green *= 0.9 + 0.3 * draw(own, draws.LOOK_WATER_GREEN)
    texture = _texture_of(own, cover)
    shown = 1.0 - smoothstep(0.3, 0.75, px / texture.spacing_m)
    offset_u, offset_v = 0.0, 0.0
    if key != np.uint64(0):
        offset_u = np.floor(512.0 * draw(own, draws.LOOK_OFFSET_U))
        offset_v = np.floor(512.0 * draw(own, draws.LOOK_OFFSET_V))
    return Look(
        red,
        green,
        blue,
        texture.grain,
        texture.mottle,
        texture.rows * shown,
        texture.spacing_m,
        texture.strips,
        40.0 * draw(own, draws.LOOK_PHASE),
        offset_u,
        offset_v,
        soil,
    )


@kernel
def _crop_season(own: np.uint64, season: int) -> int:
    """The season of one field: about a sixth of them each are a season behind the others or ahead of them."""
    stage = draw(own, draws.LOOK_STAGE)
    if stage < 0.16:
        return (season + 3) % 4
    if stage > 0.84:
        return (season + 1) % 4
    return season


@kernel
def _texture_of(own: np.uint64, cover: int) -> Texture:
    grain, mottle = 20.0, 16.0 + 22.0 * draw(own, draws.LOOK_MOTTLE)
    if cover <= _FALLOW:
        return _crop_texture(own, cover, grain, mottle)
    if cover == _BUILT:
        return Texture(26.0, 12.0, 0.0, 1.0, 0.0)
    if cover == _GREENHOUSE:
        return Texture(grain, mottle, 60.0, 9.0, 0.0)
    if cover == _WATER:
        return Texture(4.0, 8.0, 0.0, 1.0, 0.0)
    if cover in (_DUNE, _BARE):
        return Texture(grain, 30.0, 0.0, 1.0, 0.0)
    if cover in (_SHRUB, _GRASSLAND):
        return Texture(24.0, 36.0, 0.0, 1.0, 0.0)
    return Texture(grain, mottle, 0.0, 1.0, 0.0)


@kernel
def _crop_texture(own: np.uint64, cover: int, grain: float, mottle: float) -> Texture:
    rows = 13.0 * draw(own, draws.LOOK_ROWS)
    spacing_m = 2.6 + 4.5 * draw(own, draws.LOOK_SPACING)
    strips = 7.0 * draw(own, draws.LOOK_STRIPS) * draw(own, draws.LOOK_STRIPS_AGAIN)
    if cover == _FALLOW:
        return Texture(24.0, 42.0, 2.0, spacing_m, strips)
    if cover == _VEGETABLES:
        return Texture(grain, mottle, rows, spacing_m, 18.0)
    if cover == _PADDY:
        return Texture(grain, 13.0, rows * 0.4, spacing_m, strips * 0.3)
    return Texture(grain, mottle, rows, spacing_m, strips)


@kernel
def _roof_colour(own: np.uint64) -> tuple[float, float, float]:
    """Red tiles, blue sheet metal, grey or pale concrete."""
    roof = draw(own, draws.LOOK_ROOF)
    value = 0.75 + 0.5 * draw(own, draws.LOOK_ROOF_BRIGHTNESS)
    if roof < 0.3:
        return 158.0 * value, 112.0 * value, 94.0 * value
    if roof < 0.42:
        return 96.0 * value, 128.0 * value, 160.0 * value
    if roof < 0.75:
        return 150.0 * value, 148.0 * value, 144.0 * value
    return 196.0 * value, 192.0 * value, 184.0 * value
