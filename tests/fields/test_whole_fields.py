"""Fields that cross blocks: found whole from any block, measured as one, whatever the region."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from scipy import ndimage

from croplayer.fields.learning import first_rule
from croplayer.fields.pieces import BlockLayers, BlockPieces, block_pieces, pixel_widths_m
from croplayer.fields.rules import LearnedPair
from croplayer.fields.separation import Ground, separate
from croplayer.fields.whole import WholeFields, block_of_number, field_ids, naming_points
from croplayer.kernels.joining import ScoreRule
from croplayer.kernels.pieces import PIECE_SUMS, naming_cells
from stores.grid import LATTICE_COLS, BlockGrid, BlockIndex, PixelWindow

GRID = BlockGrid(96)
FIRST = BlockIndex(1000, 4000)
SIDE = 5
N = GRID.block_px
RULE = first_rule(tells_boundaries=True)
PAIR = LearnedPair(RULE._replace(bias=2.6), RULE)
"""Joins where the mean boundary score of the line is below 0.6."""


def country(seed: int = 3, moved_px: float = 0.0) -> Ground:
    """Parcels around random points, some large, with boundary scores along their edges and roads without cropland.

    With ``moved_px`` the points, and so the margins between parcels, are moved by up to so many pixels in each direction.
    """
    rng = np.random.default_rng(seed)
    side = SIDE * N
    points = rng.uniform(0, side, (60, 2))
    points += np.random.default_rng(seed + 1000).uniform(-moved_px, moved_px, points.shape)
    y, x = np.mgrid[:side, :side]
    nearest = np.argmin([(y - p) ** 2 + (x - q) ** 2 for p, q in points], axis=0)
    edge = ndimage.maximum_filter(nearest, 3) != ndimage.minimum_filter(nearest, 3)
    crop = (nearest % 5 != 0) & ~((y % 170 < 4) | (x % 230 < 3))
    noise = rng.integers(0, 40, (side, side))
    cropland = np.where(crop, 230 - noise, 20 + noise).astype(np.uint8)
    boundary = np.where(edge, 200 + noise, noise).astype(np.uint8)
    gap = (y > side - 30) & (x > side - 50)
    window = PixelWindow(FIRST.row * N, FIRST.col * N, side, side)
    rgb = rng.integers(0, 255, (side, side, 3)).astype(np.uint8)
    return Ground(window, crop & ~gap, cropland, boundary, rgb)


COUNTRY = country()
TOLD = ~ndimage.binary_dilation(np.random.default_rng(8).random(COUNTRY.inside.shape) < 0.0005, iterations=12)
"""What a network scored and no person said otherwise."""


def cut(window: PixelWindow) -> Ground:
    """A window of the country."""
    part = window.common(COUNTRY.window)
    area = part.slices_in(COUNTRY.window)
    return Ground(part, *(getattr(COUNTRY, name)[area] for name in ("inside", "cropland", "boundary", "rgb")))


@lru_cache(None)
def pieces_of(block: BlockIndex) -> BlockPieces | None:
    """The pieces of a block of the country."""
    if not (0 <= block.row - FIRST.row < SIDE and 0 <= block.col - FIRST.col < SIDE):
        return None
    found = separate(cut(GRID.window(block).grown(256)), block, GRID, PAIR, 0.0)
    own, told = cut(GRID.window(block)), TOLD[GRID.window(block).slices_in(COUNTRY.window)]
    gap = np.zeros_like(own.inside)
    return block_pieces(BlockLayers(found.field, found.join, own.cropland, own.boundary, gap, told), block, GRID)


def blocks() -> list[BlockIndex]:
    """All blocks of the country."""
    return [BlockIndex(FIRST.row + i, FIRST.col + j) for i in range(SIDE) for j in range(SIDE)]


def mosaic(whole: WholeFields) -> np.ndarray:
    """Numbers of the fields of the country."""
    numbers = np.zeros(COUNTRY.inside.shape, np.int64)
    for block in blocks():
        found = separate(cut(GRID.window(block).grown(256)), block, GRID, PAIR, 0.0)
        area = GRID.window(block).slices_in(COUNTRY.window)
        numbers[area] = whole.view_of(block).numbers[found.field]
    return numbers


@pytest.fixture(scope="module")
def numbers() -> np.ndarray:
    return mosaic(WholeFields(pieces_of))


def test_fields_cover_the_cropland_and_are_connected(numbers: np.ndarray) -> None:
    assert ((numbers > 0) == COUNTRY.inside).all()
    crossing = 0
    for number in np.unique(numbers[numbers > 0]):
        _, parts = ndimage.label(numbers == number)
        assert parts == 1
        rows, cols = np.nonzero(numbers == number)
        crossing += rows.min() // N != rows.max() // N or cols.min() // N != cols.max() // N
    assert crossing > 20


def test_parcels_are_told_apart(numbers: np.ndarray) -> None:
    """Most of the large parcels are one field: the boundary scores tell where they end."""
    reference, count = ndimage.label(COUNTRY.inside & (COUNTRY.boundary < 200))
    whole = 0
    large = [k for k in range(1, count + 1) if (reference == k).sum() > 1500]
    for k in large:
        found, pixels = np.unique(numbers[reference == k], return_counts=True)
        best = found[pixels.argmax()]
        whole += pixels.max() > 0.8 * max((reference == k).sum(), (numbers == best).sum() * 0.8)
    assert len(large) > 20 and whole > 0.9 * len(large)


def test_sums_are_those_of_the_whole_field(numbers: np.ndarray) -> None:
    whole = WholeFields(pieces_of)
    row = COUNTRY.window.row
    m2 = GRID.pixel_area_m2(row, SIDE * N)
    width = pixel_widths_m(GRID, row, SIDE * N + 1)
    height = m2 / ((width[:-1] + width[1:]) / 2)
    padded = np.pad(numbers, 1)
    cropland = np.pad(COUNTRY.cropland, 1)
    edge_score = np.pad(COUNTRY.boundary, 1)
    mapped, told = np.pad(np.ones_like(COUNTRY.inside), 1), np.pad(TOLD, 1)
    assert 0.6 < TOLD.mean() < 0.9
    seen = set()
    for block in blocks():
        fields = whole.view_of(block).fields
        for number, sums, measures, box in zip(*fields, strict=True):
            mask = padded == number
            rows, cols = np.nonzero(mask[1:-1, 1:-1])
            area = m2[rows].sum()
            expected = dict.fromkeys(PIECE_SUMS, 0)
            known = (mask[1:-1, 1:-1] & TOLD).nonzero()
            expected |= {"pixels": len(rows), "told": len(known[0]), "cropland": int(COUNTRY.cropland[known].sum())}
            expected |= {"boundary": int(COUNTRY.boundary[known].sum())}
            expected |= {"sure": int((COUNTRY.cropland[known] > 200).sum())}
            expected |= {"bounded": int((COUNTRY.boundary[known] >= 125).sum())}
            perimeter = 0.0
            for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                other = np.roll(mask, (-down, -right), (0, 1))
                y, x = np.nonzero(mask & ~other)
                i, j = y + down, x + right
                expected["sides"] += len(y)
                edges = np.maximum(edge_score[y, x], edge_score[i, j])
                expected["told_sides"] += int(told[i, j].sum())
                expected["outside_cropland"] += int(cropland[i, j][told[i, j]].sum())
                expected["outside_boundary"] += int(edges[told[i, j]].sum())
                expected["beside_field"] += int((padded[i, j] > 0).sum())
                expected["at_edge"] += int((~mapped[i, j]).sum())
                lengths = height[y - 1] if right else width[np.maximum(y, i) - 1]
                perimeter += lengths.sum()
            assert dict(zip(PIECE_SUMS, sums.tolist(), strict=True)) == expected
            np.testing.assert_allclose(measures, [area, perimeter], rtol=1e-12)
            top, left, bottom, right = box - np.array([row, COUNTRY.window.col] * 2)
            assert (top, left, bottom, right) == (rows.min(), cols.min(), rows.max() + 1, cols.max() + 1)
            seen.add(int(number))
    assert seen == set(np.unique(numbers[numbers > 0]).tolist())


def test_order_and_memory_do_not_matter(numbers: np.ndarray) -> None:
    """Seen from each block alone, without anything remembered, fields are the same."""
    for block in blocks()[::3]:
        alone = WholeFields(pieces_of).view_of(block)
        again = WholeFields(pieces_of)
        for other in reversed(blocks()):
            again.view_of(other)
        for one, two in zip(alone.fields, again.view_of(block).fields, strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_region_cut_elsewhere_has_the_same_fields(numbers: np.ndarray) -> None:
    """With the blocks of one column alone, fields that do not reach the cut are the same, to the name."""
    middle = FIRST.col + 2

    def column(block: BlockIndex) -> BlockPieces | None:
        return pieces_of(block) if block.col == middle else None

    whole, part = WholeFields(pieces_of), WholeFields(column)
    same = 0
    for row in range(SIDE):
        block = BlockIndex(FIRST.row + row, middle)
        there, here = whole.view_of(block).fields, part.view_of(block).fields
        inside = (there.boxes[:, 1] > middle * N) & (there.boxes[:, 3] < (middle + 1) * N)
        kept = np.isin(here.number, there.number[inside])
        same += inside.sum()
        assert kept.sum() == inside.sum()
        np.testing.assert_array_equal(here.sums[kept], there.sums[inside])
    assert same > 5


def test_every_field_is_named_by_a_block_that_holds_it(numbers: np.ndarray) -> None:
    """Ids are unique, and the cell that names a field lies where the field is."""
    found = np.unique(numbers[numbers > 0])
    assert len(set(field_ids(found))) == len(found)
    for number, name in zip(found.tolist(), field_ids(found), strict=True):
        code = int(block_of_number(np.array([number]))[0])
        block = BlockIndex(*divmod(code, LATTICE_COLS))
        assert name.startswith(f"{block.name}-")
        size, row, col = (int(part) for part in name.split("-")[1:])
        area = GRID.window(block).slices_in(COUNTRY.window)
        cell = numbers[area][row * size : (row + 1) * size, col * size : (col + 1) * size]
        assert 2 * (cell == number).sum() > cell.size


def test_ids_survive_some_pixels_more_or_less() -> None:
    """Of fields that lose and gain pixels at their outlines at least 99 % keep their id."""
    rng = np.random.default_rng(0)
    kept = fields = 0
    for seed in range(6):
        side = 512
        points = rng.uniform(0, side, (80, 2))
        y, x = np.mgrid[:side, :side]
        field = (np.argmin([(y - p) ** 2 + (x - q) ** 2 for p, q in points], axis=0) + 1).astype(np.uint32)
        field[ndimage.maximum_filter(field, 5) != ndimage.minimum_filter(field, 5)] = 0
        changed = field.copy()
        rim = (field > 0) & (ndimage.minimum_filter(field, 3) == 0)
        changed[rim & (rng.random(field.shape) < 0.03)] = 0
        grown = ndimage.maximum_filter(field, 3)
        more = (field == 0) & (grown > 0) & (rng.random(field.shape) < 0.03)
        changed[more] = grown[more]
        _, before = naming_cells(field, 80, seed)
        _, after = naming_cells(changed, 80, seed)
        there = np.bincount(field.ravel(), minlength=81)[1:] > 100
        kept += (before[1:] == after[1:])[there].sum()
        fields += there.sum()
    assert fields > 400
    assert kept >= 0.99 * fields


def test_what_reaches_over_too_many_blocks_is_no_field() -> None:
    """One band of cropland through all blocks has no number, and its area is told block by block."""
    band = np.zeros((N, N), np.uint32)
    band[40:60] = 1
    join = np.zeros((N, N), np.uint8)
    join[40:60, -1] = 1
    none = np.zeros((N, N), np.uint8)

    def band_of(block: BlockIndex) -> BlockPieces | None:
        layers = BlockLayers(band, join, none, none, none > 0, none == 0)
        return block_pieces(layers, block, GRID) if block.row == 1000 and 4000 <= block.col < 4005 else None

    whole = WholeFields(band_of)
    for col in range(4000, 4005):
        view = whole.view_of(BlockIndex(1000, col))
        assert view.numbers.tolist() == [0, 0] and not len(view.fields.number)
        assert view.too_wide.measures[:, 0].sum() == pytest.approx(GRID.pixel_area_m2(1000 * N, N)[40:60].sum() * N)


def block_of(field: np.ndarray, join: np.ndarray, block: BlockIndex, scores: np.ndarray) -> BlockPieces:
    """Pieces of a block with the same scores of cropland and boundaries."""
    nowhere = np.zeros(field.shape, bool)
    return block_pieces(BlockLayers(field, join, scores, scores, nowhere, ~nowhere), block, GRID)


def test_sides_between_pieces_that_another_block_makes_one_field_do_not_count() -> None:
    """West block: pieces 1 and 2 touch. East block: one piece, joined with both, but not at every pixel of the seam."""
    scores = np.random.default_rng(5).integers(0, 250, (N, N)).astype(np.uint8)
    west, east, join = np.zeros((N, N), np.uint32), np.zeros((N, N), np.uint32), np.zeros((N, N), np.uint8)
    west[20:40, 50:], west[40:60, 50:] = 1, 2
    east[20:60, :30] = 1
    join[25:35, -1] = join[45:60, -1] = 1
    blocks = {
        BlockIndex(1000, 4000): block_of(west, join, BlockIndex(1000, 4000), scores),
        BlockIndex(1000, 4001): block_of(east, np.zeros_like(join), BlockIndex(1000, 4001), scores),
    }
    for block in blocks:
        fields = WholeFields(blocks.get).view_of(block).fields
        assert len(fields.number) == 1
        sums = dict(zip(PIECE_SUMS, fields.sums[0].tolist(), strict=True))
        assert sums["pixels"] == 40 * (N - 50 + 30) and sums["sides"] == 2 * (40 + N - 50 + 30)
        assert sums["beside_field"] == 0
        outside = np.concatenate(
            [scores[20:60, 49], scores[20:60, 30], scores[[19, 60], 50:].ravel(), scores[[19, 60], :30].ravel()]
        )
        assert sums["outside_cropland"] == outside.sum()


def test_blocks_of_ten_thousand_pixels_have_cells_of_their_own() -> None:
    """A thin field far from the corner of a large block is named by that block."""
    field = np.zeros((10_240, 10_240), np.uint32)
    field[10_000, 9_000:10_100] = 1
    _, cells = naming_cells(field, 1, 7)
    code = FIRST.row * LATTICE_COLS + FIRST.col
    number = np.array([(code << 30) + cells[1]])
    assert block_of_number(number).tolist() == [code]
    size, row, col = (int(part) for part in field_ids(number)[0].split("-")[1:])
    assert (size, row) == (1, 10_000) and 9_000 <= col < 10_100
    lon, lat = naming_points(number, BlockGrid(10_240))
    assert BlockGrid(10_240).block_at(float(lon[0]), float(lat[0])) == FIRST


def test_separating_a_cut_region_changes_fields_beside_the_cut_alone(numbers: np.ndarray) -> None:
    """Separated anew from the two western columns, pieces farther than the halo from the cut are the same."""
    block = BlockIndex(FIRST.row + 2, FIRST.col)
    whole = separate(cut(GRID.window(block).grown(96)), block, GRID, PAIR, 0.0)
    window = GRID.window(block).grown(96)
    narrow = cut(PixelWindow(window.row, window.col, window.height, FIRST.col * N + 2 * N - window.col))
    again = separate(narrow, block, GRID, PAIR, 0.0)
    np.testing.assert_array_equal(whole.field, again.field)
    np.testing.assert_array_equal(whole.join, again.join)


def test_a_rule_that_joins_nothing_leaves_basins() -> None:
    never = LearnedPair(ScoreRule(np.zeros((1, 17)), np.zeros(1), np.zeros(1), -1.0), RULE)
    block = BlockIndex(FIRST.row + 1, FIRST.col + 1)
    found = separate(cut(GRID.window(block).grown(256)), block, GRID, never, 0.0)
    assert not found.join.any()
    assert found.field.max() > pieces_of(block).count  # type: ignore[union-attr]
