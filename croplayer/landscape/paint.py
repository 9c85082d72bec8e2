"""Colour of a surveyed row: season, crop rows, crowns, roofs, shading, weather, sensor."""

from __future__ import annotations

import numpy as np

from croplayer.landscape.classes import LandCover
from croplayer.landscape.compiled import kernel
from croplayer.landscape.noise import draw, salted, smoothstep, unit
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
from croplayer.landscape.survey import (
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
from croplayer.landscape.textures import CANOPY, GRAIN, MOTTLE, ROUGH

SUN_X, SUN_Y = 0.62, -0.55
"""Horizontal direction away from the sun in the country's metres (the sun stands in the north-west of the picture)."""

N_LOOK = 12
L_RED, L_GREEN, L_BLUE, L_GRAIN, L_MOTTLE, L_ROWS, L_SPACING, L_PHASE, L_STRIPS, L_OFFSET_U, L_OFFSET_V, L_SOIL = range(
    N_LOOK
)

_GRAIN = int(LandCover.WINTER_GRAIN)
_MAIZE = int(LandCover.MAIZE)
_PADDY = int(LandCover.PADDY)
_VEGETABLES = int(LandCover.VEGETABLES)
_OILSEED = int(LandCover.OILSEED)
_FALLOW = int(LandCover.FALLOW)
_GREENHOUSE = int(LandCover.GREENHOUSE)
_ORCHARD = int(LandCover.ORCHARD)
_WOODLAND = int(LandCover.WOODLAND)
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
def _look(colours: np.ndarray, cover: int, key: np.uint64, season: int, px: float, look: np.ndarray) -> None:
    """Colour and texture of one parcel or plot in one season."""
    own = salted(key, cover)
    stage = draw(own, 41)
    if cover <= _FALLOW:
        if stage < 0.16:
            season = (season + 3) % 4
        elif stage > 0.84:
            season = (season + 1) % 4
    bright = 1.0 + 0.2 * (draw(own, 42) - 0.5)
    red = colours[season, cover, 0] * bright
    green = colours[season, cover, 1] * bright
    blue = colours[season, cover, 2] * bright
    look[L_GRAIN] = 20.0
    look[L_MOTTLE] = 16.0 + 22.0 * draw(own, 40)
    look[L_ROWS] = 0.0
    look[L_SPACING] = 1.0
    look[L_STRIPS] = 0.0
    look[L_SOIL] = 0.0
    if cover <= _FALLOW:
        hue = draw(own, 43) - 0.5
        red *= 1.0 + 0.12 * hue
        blue *= 1.0 - 0.1 * hue
        look[L_SOIL] = 0.1 if red > green else 0.0
        look[L_ROWS] = 13.0 * draw(own, 44)
        look[L_SPACING] = 2.6 + 4.5 * draw(own, 45)
        look[L_STRIPS] = 7.0 * draw(own, 46) * draw(own, 47)
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
    elif cover == _BUILT:
        roof = draw(own, 48)
        value = 0.75 + 0.5 * draw(own, 49)
        if roof < 0.3:
            red, green, blue = 158.0 * value, 112.0 * value, 94.0 * value
        elif roof < 0.42:
            red, green, blue = 96.0 * value, 128.0 * value, 160.0 * value
        elif roof < 0.75:
            red, green, blue = 150.0 * value, 148.0 * value, 144.0 * value
        else:
            red, green, blue = 196.0 * value, 192.0 * value, 184.0 * value
        look[L_MOTTLE] = 12.0
        look[L_GRAIN] = 26.0
    elif cover == _GREENHOUSE:
        look[L_ROWS] = 60.0
        look[L_SPACING] = 9.0
    elif cover == _WATER:
        look[L_GRAIN] = 4.0
        look[L_MOTTLE] = 8.0
        if key != np.uint64(0):
            red *= 0.9 + 0.4 * draw(own, 50)
            green *= 0.9 + 0.3 * draw(own, 51)
    elif cover in (_DUNE, _BARE):
        look[L_MOTTLE] = 30.0
    elif cover in (_SHRUB, _GRASSLAND):
        look[L_MOTTLE] = 36.0
        look[L_GRAIN] = 24.0
    look[L_RED] = red
    look[L_GREEN] = green
    look[L_BLUE] = blue
    look[L_PHASE] = 40.0 * draw(own, 52)
    look[L_OFFSET_U] = np.floor(512.0 * draw(own, 53)) if key != np.uint64(0) else 0.0
    look[L_OFFSET_V] = np.floor(512.0 * draw(own, 54)) if key != np.uint64(0) else 0.0
    fade = 1.0 - smoothstep(0.3, 0.75, px / look[L_SPACING])
    look[L_ROWS] *= fade


@kernel
def _wave(x: float) -> float:
    """Periodic wave of period 1 between -1 and 1, made of two parabolas."""
    t = x - np.floor(x)
    if t < 0.5:
        return float(16.0 * t * (0.5 - t))
    return float(-16.0 * (t - 0.5) * (1.0 - t))


@kernel
def paint_row(
    colours: np.ndarray,
    textures: np.ndarray,
    level: int,
    px: float,
    parameters: np.ndarray,
    scene_row: np.ndarray,
    scene_records: np.ndarray,
    weather_row: np.ndarray,
    node_position: np.ndarray,
    node_col: int,
    shade_x: np.ndarray,
    shade_y: np.ndarray,
    wild_row: np.ndarray,
    dry_row: np.ndarray,
    step_x: float,
    y: float,
    cover: np.ndarray,
    key: np.ndarray,
    line: np.ndarray,
    inside: np.ndarray,
    local_u: np.ndarray,
    local_v: np.ndarray,
    rgb: np.ndarray,
) -> None:
    """Colour one surveyed row: ``rgb`` (w, 3) uint8; ``scene_row`` (w,) int32 index into ``scene_records``."""
    look = np.empty(N_LOOK)
    last_cover = -1
    last_key = np.uint64(0)
    last_scene = -1
    season = 1
    soft = 1.0 / max(px, 1e-6)
    texel = 1.0 / (1 << level)
    scene = scene_records[0]
    for p in range(cover.shape[0]):
        position = node_position[p]
        whole = np.floor(position)
        c = int(whole) - node_col
        t = position - whole
        x = (position + 0.5) * step_x
        wild = wild_row[c] + (wild_row[c + 1] - wild_row[c]) * t
        here = int(cover[p])
        if here != last_cover or key[p] != last_key or scene_row[p] != last_scene:
            last_cover = here
            last_key = key[p]
            last_scene = scene_row[p]
            scene = scene_records[last_scene]
            season = int(scene[S_SEASON])
            _look(colours, here, last_key, season, px, look)
        soil = look[L_SOIL] * 2.0 * (dry_row[c] + (dry_row[c + 1] - dry_row[c]) * t - 0.3)
        red = look[L_RED] * (1.0 + soil)
        green = look[L_GREEN]
        blue = look[L_BLUE] * (1.0 - soil)
        u = np.float64(local_u[p])
        v = np.float64(local_v[p])
        i = int(np.floor((x + look[L_OFFSET_U]) * texel)) & 511
        j = int(np.floor((y + look[L_OFFSET_V]) * texel)) & 511
        grain = textures[GRAIN, level, j, i] / 127.0
        mottle = textures[MOTTLE, level, j, i] / 127.0
        patch_i = int(np.floor((x + 2.0 * look[L_OFFSET_V]) * 0.23 * texel)) & 511
        patch_j = int(np.floor((y - 2.0 * look[L_OFFSET_U]) * 0.23 * texel)) & 511
        patch = textures[MOTTLE, level, patch_j, patch_i] / 127.0
        light = look[L_GRAIN] * grain + look[L_MOTTLE] * (mottle + 0.7 * patch)
        if here == _WOODLAND:
            crown = textures[CANOPY, level, j, i] / 127.0
            light = 52.0 * crown + 22.0 * wild + 12.0 * mottle
            red += 10.0 * wild
        elif here == _ORCHARD:
            spacing = 5.0 + 3.0 * unit(salted(last_key, 61))
            fade = 1.0 - smoothstep(0.3, 0.8, px / spacing)
            a = u / spacing + 0.5
            b = v / spacing + 0.5
            a = a - np.floor(a) - 0.5
            b = b - np.floor(b) - 0.5
            d = a * a + b * b
            dome = (0.42 - 3.2 * d) * fade
            if dome < -0.2 * fade:
                dome = -0.2 * fade
            light += 75.0 * -dome + 9.0 * fade
            red -= 26.0 * dome
            green += 20.0 * dome
        elif here == _SHRUB:
            light += 44.0 * (textures[ROUGH, level, j, i] / 127.0) + 16.0 * wild
        elif here in (_GRASSLAND, _BARE):
            light += 22.0 * (textures[ROUGH, level, j, i] / 127.0) + 14.0 * wild
        elif here == _DUNE:
            crest = (0.8 * x + 0.6 * y + 90.0 * wild) / 95.0
            light += 15.0 * _wave(crest)
        elif look[L_ROWS] > 0.2 or look[L_STRIPS] > 0.2:
            light += look[L_ROWS] * _wave((v + look[L_PHASE]) / look[L_SPACING])
            light += look[L_STRIPS] * _wave((v + look[L_PHASE]) / 31.0 + 0.15 * mottle)
        if here <= _GRASSLAND:
            red += 11.0 * patch
            green -= 4.0 * patch
        red += light
        green += light
        blue += 0.85 * light

        kind = line[p]
        if kind != NO_LINE:
            share = min(max(0.5 + inside[p] * soft, 0.0), 1.0)
            lr = 150.0
            lg = 136.0
            lb = 104.0
            if kind == BUND:
                lr, lg, lb = 118.0, 116.0, 80.0
                if (last_key >> np.uint64(20)) & np.uint64(1):
                    lr, lg, lb = 170.0, 154.0, 118.0
                share *= 0.85
            elif kind in (TRACK, LANE):
                lr, lg, lb = 182.0, 166.0, 134.0
            elif kind == TREES:
                lr, lg, lb = colours[season, _WOODLAND, 0], colours[season, _WOODLAND, 1], colours[season, _WOODLAND, 2]
                crown = textures[CANOPY, level, j, i] / 127.0
                lr += 50.0 * crown
                lg += 50.0 * crown
                lb += 42.0 * crown
            elif kind == DITCH:
                lr, lg, lb = 74.0, 84.0, 68.0
            elif kind == HIGHWAY:
                lr, lg, lb = 146.0, 145.0, 144.0
                if inside[p] < 1.5:
                    lr, lg, lb = 120.0, 122.0, 100.0
            elif kind == STREET:
                lr, lg, lb = 128.0, 122.0, 112.0
                share *= 0.8
            elif kind == RIVER_WATER:
                lr = colours[season, _WATER, 0] + 7.0 * wild + 5.0 * grain
                lg = colours[season, _WATER, 1] + 6.0 * wild + 5.0 * grain
                lb = colours[season, _WATER, 2] + 5.0 * wild + 5.0 * grain
            elif kind == BANK:
                rough = 30.0 * (textures[ROUGH, level, j, i] / 127.0)
                lr, lg, lb = 104.0 + rough + 40.0 * wild, 112.0 + rough + 20.0 * wild, 76.0 + rough + 26.0 * wild
            red += (lr - red) * share
            green += (lg - green) * share
            blue += (lb - blue) * share

        gx = shade_x[c] + (shade_x[c + 1] - shade_x[c]) * t
        gy = shade_y[c] + (shade_y[c + 1] - shade_y[c]) * t
        if kind == RIVER_WATER or here == _WATER:
            shade = 1.0
        else:
            shade = 1.0 - 1.25 * (gx * -SUN_X + gy * -SUN_Y)
            shade = min(max(shade, 0.42), 1.5)

        snow = weather_row[SNOW, c] + (weather_row[SNOW, c + 1] - weather_row[SNOW, c]) * t
        if snow > 0.02 and kind != RIVER_WATER:
            hold = 1.0
            if here == _WOODLAND:
                hold = 0.55
            elif here == _BUILT or kind == HIGHWAY:
                hold = 0.75
            cap = smoothstep(0.3, 0.7, hold * snow + 0.22 * mottle + 0.08 * wild) * (1.0 if hold == 1.0 else 0.75)
            if kind in (TREES, DITCH, BUND):
                cap *= 0.6
            red += (236.0 + 8.0 * grain - red) * cap
            green += (239.0 + 8.0 * grain - green) * cap
            blue += (246.0 + 8.0 * grain - blue) * cap
        cloud = weather_row[CLOUD, c] + (weather_row[CLOUD, c + 1] - weather_row[CLOUD, c]) * t
        shadow = weather_row[SHADOW, c] + (weather_row[SHADOW, c + 1] - weather_row[SHADOW, c]) * t
        shade *= 1.0 - 0.5 * shadow
        red *= shade
        green *= shade
        blue *= shade * (1.0 + 0.1 * shadow)
        haze = weather_row[HAZE, c] + (weather_row[HAZE, c + 1] - weather_row[HAZE, c]) * t
        haze = min(max(haze, 0.0), 0.85)
        red += (178.0 - red) * haze
        green += (188.0 - green) * haze
        blue += (200.0 - blue) * haze
        if cloud > 0.0:
            top = 226.0 + 22.0 * cloud + 34.0 * wild * (1.0 - 0.5 * cloud)
            red += (top - red) * cloud
            green += (top + 1.0 - green) * cloud
            blue += (top + 4.0 - blue) * cloud

        grey = (red + green + blue) / 3.0
        saturation = parameters[P_SATURATION]
        red = (grey + saturation * (red - grey)) * scene[S_RED]
        green = (grey + saturation * (green - grey)) * scene[S_GREEN]
        blue = (grey + saturation * (blue - grey)) * scene[S_BLUE]
        gain = parameters[P_GAIN]
        lift = parameters[P_OFFSET] + 118.0 * (1.0 - gain)
        rgb[p, 0] = np.uint8(min(max(red * gain + lift + 0.5, 1.0), 255.0))
        rgb[p, 1] = np.uint8(min(max(green * gain + lift + 0.5, 1.0), 255.0))
        rgb[p, 2] = np.uint8(min(max(blue * gain + lift + 0.5, 1.0), 255.0))
