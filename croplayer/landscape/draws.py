"""The number of every random draw.

A draw hashes a key with one of these numbers (`noise.salted`, `noise.draw`, `noise.hash2`). The key is the seed of the
country, or what an earlier draw made of it: a territory, a field block, a parcel, a scene. Two draws from the same key
are independent only if their numbers differ; numbers may repeat between keys. Each group below belongs to one key.

Changing a number changes the country, so a new draw takes a number that its key has not used.
"""

from __future__ import annotations

# From the seed of the country: noise fields and lattices of random places.
RELIEF_COARSE, RELIEF_FINE = 1, 2
WARP_U, WARP_V = 3, 4
LAKE, SHORE = 21, 22
TRIBUTARY = 31
"""Plus 1 on the north bank and minus 1 on the south bank: 32 and 30."""

HILLS, SWELL = 41, 42
DRYNESS_COARSE, DRYNESS_FINE = 61, 62
WETNESS_COARSE, WETNESS_FINE = 63, 64
FIELD_SIZE = 65
WILDNESS_COARSE, WILDNESS_FINE = 66, 67
TOWN = 71
ROADS_EW, ROADS_NS = 73, 74
BORDER_WARP_X, BORDER_WARP_Y = 81, 82
SEAT, TERRITORY = 101, 102

# From the seed of the country and a main river, as the second index of `hash2`.
RIVER_LINE, RIVER_MEANDER, RIVER_WIDTH, RIVER_WIDTH_ALONG = 7, 11, 13, 14
RIVER_LINE_V = 5
"""From the hash of RIVER_LINE."""

MEANDER_MIDDLE, MEANDER_FINE = 1, 2
"""From the hash of RIVER_MEANDER."""

RIVER_WIDTH_MEAN = 1
"""From the hash of RIVER_WIDTH."""

# From a lake, and from its shore.
LAKE_EXISTS, LAKE_LENGTH, LAKE_CENTRE, LAKE_BREADTH = 1, 2, 3, 4
SHORE_FINE = 1

# From a tributary.
STREAM_EXISTS, STREAM_MOUTH, STREAM_LENGTH, STREAM_BEND, STREAM_BEND_FINE, STREAM_WIDTH = 1, 2, 3, 4, 5, 6

# From a town.
TOWN_EXISTS, TOWN_X, TOWN_Y, TOWN_SIZE, TOWN_EDGE_FINE = 1, 2, 3, 4, 9

# From the roads of one direction, as the second index of `hash2`, and from one road.
ROAD = 3
ROAD_LINE = 1

# From the seat of a territory.
SEAT_X, SEAT_Y = 1, 2

# From a territory. Its field blocks lie in columns; a column keys the rows in it (second index of `hash2`).
TERRITORY_TURN, TERRITORY_BLOCK, TERRITORY_VILLAGE = 1, 2, 3
CUT_LINE, BLOCK_COLUMN, BLOCK_ROW = 1, 2, 3
"""CUT_LINE shifts a line of any family of jittered lines."""

# From a field block.
BLOCK_USE, BLOCK_AREA, BLOCK_ASPECT, BLOCK_BAND, BLOCK_LENGTH, BLOCK_BORDER = 1, 2, 3, 4, 5, 6
TERRACE_BAND, TERRACE_PIECE = 4, 5
"""Second index of `hash2`."""

BLOCK_CROP = 23
BLOCK_LATER = 41
BUND_WIDTH = 33
"""Also from a terrace's parcel."""

# From a rectangle that is split.
SPLIT_AXIS = 11
SPLIT_STEP = 0x9E3779B97F4A7C15
"""Added to the key before each cut, so that the pieces of equal halves differ."""

SPLIT_PLACE = 77
SPLIT_LOW, SPLIT_HIGH = 0x51, 0xA7
"""The half that was taken."""

# From a parcel or a plot of a settlement.
PARCEL_CROP, PARCEL_GLASS, PARCEL_GRAIN = 21, 22, 24
LOT, HOUSE = 31, 32

# From a parcel and its land cover: how it looks.
LOOK_MOTTLE, LOOK_STAGE, LOOK_BRIGHTNESS, LOOK_HUE = 40, 41, 42, 43
LOOK_ROWS, LOOK_SPACING, LOOK_STRIPS, LOOK_STRIPS_AGAIN = 44, 45, 46, 47
LOOK_ROOF, LOOK_ROOF_BRIGHTNESS = 48, 49
LOOK_WATER_RED, LOOK_WATER_GREEN = 50, 51
LOOK_PHASE, LOOK_OFFSET_U, LOOK_OFFSET_V = 52, 53, 54

# From an orchard's parcel.
TREE_SPACING = 61

# From the seed of an imagery source.
SCENE_CENTRE, SCENE = 201, 202
CLOUD_COARSE, CLOUD_FINE, CLOUD_COVER = 211, 212, 213
MISSING, MISSING_TILE = 221, 222
HAZE, SNOW = 231, 232
OVERZOOMED = 241
SCENE_X, SCENE_Y = 1, 2
"""From a scene's centre."""

SCENE_AUTUMN, SCENE_SPRING, SCENE_SNOW = 1, 2, 3
SCENE_RED, SCENE_GREEN, SCENE_BLUE, SCENE_HAZE, SCENE_SHIFT = 4, 5, 6, 7, 8
"""From a scene."""

TILE_MISSING = 1
TILE_OVERZOOMED = 1
"""From a tile of zoom 14."""

# From the seed of the textures.
GRAIN_FINE, GRAIN_COARSE = 1, 2
MOTTLE_OCTAVE, ROUGH_OCTAVE = 10, 20
"""Plus the number of the octave."""

CROWN = 30
CROWN_X, CROWN_Y, CROWN_RADIUS, CROWN_BRIGHTNESS = 1, 2, 3, 4
"""From a crown."""

# Second numbers of numpy's PCG64 beside the seed of the country.
TRAINING_PLACES, COVERAGE_BLOCKS, DEFECT_BLOCKS = 11, 12, 2
