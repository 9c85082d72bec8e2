"""How a parcel or plot looks in a season: its colour and the strength of each texture on it."""

from __future__ import annotations

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.classes import LandCover
from croplayer.landscape.kernel_cache import inlined_kernel, kernel
from croplayer.landscape.noise import draw, salted, smoothstep

N_LOOK = 12
L_RED, L_GREEN, L_BLUE, L_GRAIN, L_MOTTLE, L_ROWS, L_SPACING, L_PHASE, L_STRIPS, L_OFFSET_U, L_OFFSET_V, L_SOIL = range(
    N_LOOK
)
"""Columns of a look: colour 0-255, strengths of textures in grey levels, spacing and phase of rows in metres, offsets
into the textures in texels, and how far the colour follows the dryness of the soil."""

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
def fill_look(colours: np.ndarray, cover: int, key: np.uint64, season: int, px: float, look: np.ndarray) -> None:
    """Fill the look of one parcel or plot.

    Parameters
    ----------
    colours : from `season_colours`
    cover : `LandCover` code
    key : hash of the parcel or plot; 0 for land that nobody works, whose textures then join at its borders
    season : 0 spring to 3 winter
    px : pixel size in metres; rows that a pixel cannot resolve fade
    look : (N_LOOK,) float64 out
    """
    own = salted(key, cover)
    if cover <= _FALLOW:
        season = _crop_season(own, season)
    bright = 1.0 + 0.2 * (draw(own, draws.LOOK_BRIGHTNESS) - 0.5)
    look[L_RED] = colours[season, cover, 0] * bright
    look[L_GREEN] = colours[season, cover, 1] * bright
    look[L_BLUE] = colours[season, cover, 2] * bright
    look[L_GRAIN] = 20.0
    look[L_MOTTLE] = 16.0 + 22.0 * draw(own, draws.LOOK_MOTTLE)
    look[L_ROWS] = 0.0
    look[L_SPACING] = 1.0
    look[L_STRIPS] = 0.0
    look[L_SOIL] = 0.0
    if cover <= _FALLOW:
        _crop_look(own, cover, look)
    elif cover == _BUILT:
        _roof_look(own, look)
    elif cover == _GREENHOUSE:
        look[L_ROWS] = 60.0
        look[L_SPACING] = 9.0
    elif cover == _WATER:
        look[L_GRAIN] = 4.0
        look[L_MOTTLE] = 8.0
        if key != np.uint64(0):
            look[L_RED] *= 0.9 + 0.4 * draw(own, draws.LOOK_WATER_RED)
            look[L_GREEN] *= 0.9 + 0.3 * draw(own, draws.LOOK_WATER_GREEN)
    elif cover in (_DUNE, _BARE):
        look[L_MOTTLE] = 30.0
    elif cover in (_SHRUB, _GRASSLAND):
        look[L_MOTTLE] = 36.0
        look[L_GRAIN] = 24.0
    look[L_PHASE] = 40.0 * draw(own, draws.LOOK_PHASE)
    look[L_OFFSET_U] = np.floor(512.0 * draw(own, draws.LOOK_OFFSET_U)) if key != np.uint64(0) else 0.0
    look[L_OFFSET_V] = np.floor(512.0 * draw(own, draws.LOOK_OFFSET_V)) if key != np.uint64(0) else 0.0
    look[L_ROWS] *= 1.0 - smoothstep(0.3, 0.75, px / look[L_SPACING])


@inlined_kernel
def _crop_season(own: np.uint64, season: int) -> int:
    """The season of one field: a sixth each lag behind their neighbours or lead them by a season."""
    stage = draw(own, draws.LOOK_STAGE)
    if stage < 0.16:
        return (season + 3) % 4
    if stage > 0.84:
        return (season + 1) % 4
    return season


@inlined_kernel
def _crop_look(own: np.uint64, cover: int, look: np.ndarray) -> None:
    """Hue, crop rows and tractor strips of a field; what looks brown shows the dryness of its soil."""
    hue = draw(own, draws.LOOK_HUE) - 0.5
    look[L_RED] *= 1.0 + 0.12 * hue
    look[L_BLUE] *= 1.0 - 0.1 * hue
    look[L_SOIL] = 0.1 if look[L_RED] > look[L_GREEN] else 0.0
    look[L_ROWS] = 13.0 * draw(own, draws.LOOK_ROWS)
    look[L_SPACING] = 2.6 + 4.5 * draw(own, draws.LOOK_SPACING)
    look[L_STRIPS] = 7.0 * draw(own, draws.LOOK_STRIPS) * draw(own, draws.LOOK_STRIPS_AGAIN)
    if cover == _FALLOW:
        look[L_ROWS] = 2.0
        look[L_MOTTLE] = 42.0
        look[L_GRAIN] = 24.0
    elif cover == _VEGETABLES:
        look[L_STRIPS] = 18.0
    elif cover == _PADDY:
        look[L_ROWS] *= 0.4
        look[L_MOTTLE] = 13.0
        look[L_STRIPS] *= 0.3


@inlined_kernel
def _roof_look(own: np.uint64, look: np.ndarray) -> None:
    """A roof of red tiles, blue sheet metal, grey or pale concrete."""
    roof = draw(own, draws.LOOK_ROOF)
    value = 0.75 + 0.5 * draw(own, draws.LOOK_ROOF_BRIGHTNESS)
    if roof < 0.3:
        look[L_RED], look[L_GREEN], look[L_BLUE] = 158.0 * value, 112.0 * value, 94.0 * value
    elif roof < 0.42:
        look[L_RED], look[L_GREEN], look[L_BLUE] = 96.0 * value, 128.0 * value, 160.0 * value
    elif roof < 0.75:
        look[L_RED], look[L_GREEN], look[L_BLUE] = 150.0 * value, 148.0 * value, 144.0 * value
    else:
        look[L_RED], look[L_GREEN], look[L_BLUE] = 196.0 * value, 192.0 * value, 184.0 * value
    look[L_MOTTLE] = 12.0
    look[L_GRAIN] = 26.0
