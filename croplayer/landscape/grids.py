"""The kernels that fill whole grids: truth, picture and elevation, row by row."""

from __future__ import annotations

import numpy as np

from croplayer.landscape.kernel_cache import kernel
from croplayer.landscape.lines import NO_LINE
from croplayer.landscape.nodes import (
    JUMP_STEPS,
    N_FIELDS,
    N_SIGNED,
    NodeGrid,
    interpolate_row,
)
from croplayer.landscape.paint import Canvas, paint_row
from croplayer.landscape.sources import (
    N_SCENE,
    N_WEATHER,
    P_BLUR,
    P_SHIFT_X,
    P_SHIFT_Y,
    S_SHIFT_X,
    fill_scene,
    scene_at,
)
from croplayer.landscape.survey import Memory, new_row, survey_row
from croplayer.landscape.terrain import METRES_PER_LAT, METRES_PER_LON, ground_at

SCENE_SLOTS = 512
"""Scenes that one row of a picture may cross: more than 8,000 km of them."""


@kernel
def survey_grid(
    seed: np.uint64,
    nodes: NodeGrid,
    memory: Memory,
    lon: np.ndarray,
    lat: np.ndarray,
    is_parcel: np.ndarray,
    line_class: np.ndarray,
    cover: np.ndarray,
    parcel: np.ndarray,
) -> None:
    """Fill the truth of a grid.

    Parameters
    ----------
    lon, lat : (w,) and (h,) float64 degrees inside the node grid
    is_parcel : (256,) uint8, 1 for covers that come in parcels
    line_class : land cover by kind of line
    cover : (h, w) uint8 out
    parcel : (h, w) int64 out, 0 where there is no parcel
    """
    step_x = METRES_PER_LON / nodes.per_degree
    row = np.empty((N_FIELDS, nodes.fields.shape[2]), dtype=np.float32)
    found = new_row(len(lon))
    position = lon * nodes.per_degree - 0.5
    for r in range(len(lat)):
        at_row = lat[r] * nodes.per_degree - 0.5
        node = interpolate_row(nodes.fields, at_row, nodes.row, N_SIGNED, JUMP_STEPS * step_x, row)
        survey_row(seed, nodes, row, node, position, lat[r] * METRES_PER_LAT, 0.0, memory, found)
        for p in range(len(lon)):
            cover[r, p] = found.cover[p]
            parcel[r, p] = 0
            if found.line[p] != NO_LINE:
                cover[r, p] = line_class[found.line[p]]
            elif is_parcel[found.cover[p]]:
                # Half of the hash, odd: a positive int64 that is never 0, the id of no parcel.
                parcel[r, p] = np.int64(found.key[p] >> np.uint64(1)) | 1


@kernel
def render_grid(
    seed: np.uint64,
    scene_seed: np.uint64,
    nodes: NodeGrid,
    memory: Memory,
    weather: np.ndarray,
    scenes: np.ndarray,
    parameters: np.ndarray,
    colours: np.ndarray,
    textures: np.ndarray,
    lon: np.ndarray,
    lat: np.ndarray,
    px: float,
    level: int,
    rgb: np.ndarray,
) -> None:
    """Fill the picture of a grid.

    Parameters
    ----------
    scene_seed, parameters : of the source
    weather, scenes : of the source on the node grid, from `fill_weather`
    colours, textures : from `season_colours` and `texture_pyramids`
    lon, lat : (w,) and (h,) float64 degrees inside the node grid
    px : pixel size in metres
    level : of the texture pyramid
    rgb : (h, w, 3) uint8 out
    """
    step_x = METRES_PER_LON / nodes.per_degree
    row = np.empty((N_FIELDS, nodes.fields.shape[2]), dtype=np.float32)
    sky = np.empty((N_WEATHER, nodes.fields.shape[2]), dtype=np.float32)
    found = new_row(len(lon))
    scene_of = np.empty(len(lon), dtype=np.int32)
    ids = np.empty((SCENE_SLOTS, 2), dtype=np.int64)
    records = np.empty((SCENE_SLOTS, N_SCENE))
    footprint = px * parameters[P_BLUR]
    shifted = lon * nodes.per_degree - 0.5 - parameters[P_SHIFT_X] / step_x
    position = np.empty(len(lon))
    canvas = Canvas(colours, textures, level, footprint, parameters, records)
    for r in range(len(lat)):
        y = lat[r] * METRES_PER_LAT - parameters[P_SHIFT_Y]
        at_row = y / METRES_PER_LAT * nodes.per_degree - 0.5
        node = interpolate_row(nodes.fields, at_row, nodes.row, N_SIGNED, JUMP_STEPS * step_x, row)
        interpolate_row(weather, at_row, nodes.row, 0, 0.0, sky)
        _find_scenes(scene_seed, parameters, scenes, node, nodes.col, shifted, step_x, y, ids, records, scene_of)
        # Each scene is shifted by itself, which breaks the lines that cross a seam.
        for p in range(len(lon)):
            position[p] = shifted[p] - records[scene_of[p], S_SHIFT_X] / step_x
        survey_row(seed, nodes, row, node, position, y, footprint, memory, found)
        paint_row(canvas, scene_of, sky, row, position, nodes.col, step_x, y, found, rgb[r])


@kernel
def _find_scenes(
    seed: np.uint64,
    parameters: np.ndarray,
    scenes: np.ndarray,
    node: int,
    node_col: int,
    position: np.ndarray,
    step_x: float,
    y: float,
    ids: np.ndarray,
    records: np.ndarray,
    scene_of: np.ndarray,
) -> None:
    """Find the scene of every pixel of a row: index into ``records``, which are filled as scenes are met."""
    known = 0
    current = -1
    last_c = -1
    mixed = False
    for p in range(position.shape[0]):
        c = int(np.floor(position[p])) - node_col
        if c == last_c and not mixed:
            scene_of[p] = current
            continue
        last_c = c
        i = int(scenes[node, c, 0])
        j = int(scenes[node, c, 1])
        mixed = False
        for dr in range(2):
            for dc in range(2):
                if scenes[node + dr, c + dc, 0] != i or scenes[node + dr, c + dc, 1] != j:
                    mixed = True
        if mixed:
            i, j = scene_at(seed, (position[p] + 0.5) * step_x, y)
        if current < 0 or ids[current, 0] != i or ids[current, 1] != j:
            current = -1
            for k in range(known):
                if ids[k, 0] == i and ids[k, 1] == j:
                    current = k
            if current < 0:
                current = min(known, SCENE_SLOTS - 1)
                fill_scene(seed, parameters, i, j, records[current])
                ids[current, 0] = i
                ids[current, 1] = j
                known = min(known + 1, SCENE_SLOTS)
        scene_of[p] = current


@kernel
def elevation_grid(seed: np.uint64, lon: np.ndarray, lat: np.ndarray, out: np.ndarray) -> None:
    """Fill (h, w) float32 elevation in metres on the grid of two axes in degrees."""
    for r in range(lat.shape[0]):
        for c in range(lon.shape[0]):
            out[r, c] = ground_at(seed, lon[c] * METRES_PER_LON, lat[r] * METRES_PER_LAT)[0]
