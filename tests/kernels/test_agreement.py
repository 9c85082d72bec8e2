"""Agreement counts equal naive nearest upsampling, whatever the chunking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.segmentation import find_boundaries

from benchmarks.scenes import parcel_mask
from croplayer.kernels.agreement import AgreementCounts, Reference, agreement, agreements


def edge_pixels(mask: np.ndarray) -> np.ndarray:
    return find_boundaries(mask, connectivity=1, mode="inner", background=0)


def naive(
    mask: np.ndarray, reference: np.ndarray, index_y: np.ndarray, index_x: np.ndarray, inner: tuple[slice, slice]
) -> AgreementCounts:
    upsampled = reference[index_y][:, index_x].astype(bool)
    a, b = mask.astype(bool)[inner], upsampled[inner]
    edges = (int(edge_pixels(m)[inner].sum()) for m in (mask.astype(bool), upsampled))
    return AgreementCounts(*(int(v.sum()) for v in (a & b, a & ~b, ~a & b, ~a & ~b)), *edges)


WHOLE = (slice(None), slice(None))


def nearest_index(pixels: int, cells: int, shift: float = 0.3) -> np.ndarray:
    """Cell under each pixel when `pixels` lie evenly over `cells`."""
    return np.minimum(((np.arange(pixels) + shift) * cells / pixels).astype(np.int64), cells - 1)


@pytest.mark.parametrize("cells", [1, 7, 86, 257, 700, 1500])
def test_benchmark_mask(cells: int) -> None:
    mask = parcel_mask(700, parcels=140, specks=400)
    reference = np.random.default_rng(cells).random((cells, cells + 3)) < 0.4
    index_y, index_x = nearest_index(700, cells), nearest_index(700, cells + 3)
    assert agreement(mask, reference, index_y, index_x) == naive(mask, reference, index_y, index_x, WHOLE)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_drawn_maps(data: st.DataObject) -> None:
    mask = data.draw(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=140)))
    reference = data.draw(
        hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=30), elements=st.integers(0, 1))
    )
    index_y, index_x = (
        data.draw(hnp.arrays(np.int32, m, elements=st.integers(0, r - 1)))
        for m, r in zip(mask.shape, reference.shape, strict=True)
    )
    if data.draw(st.booleans()):
        index_y, index_x = np.sort(index_y), np.sort(index_x)
    inner = WHOLE
    if data.draw(st.booleans()):
        inner = (
            slice(data.draw(st.integers(0, 5)), data.draw(st.integers(0, 140))),
            slice(1, data.draw(st.integers(0, 140))),
        )
    assert agreement(mask, reference, index_y, index_x, inner) == naive(mask, reference, index_y, index_x, inner)


def test_chunks_with_a_border_add_up_to_the_whole() -> None:
    mask = parcel_mask(400, parcels=60, specks=200)
    reference = np.random.default_rng(0).random((50, 43)) < 0.5
    index_y, index_x = nearest_index(400, 50), nearest_index(400, 43)
    parts = []
    for top in range(0, 400, 130):
        for left in range(0, 400, 70):
            outer = slice(max(top - 1, 0), min(top + 131, 400)), slice(max(left - 1, 0), min(left + 71, 400))
            inner = (
                slice(top - outer[0].start, top - outer[0].start + 130),
                slice(left - outer[1].start, left - outer[1].start + 70),
            )
            parts.append(agreement(mask[outer], reference, index_y[outer[0]], index_x[outer[1]], inner))
    total = AgreementCounts(*(sum(counts) for counts in zip(*parts, strict=True)))
    assert total == agreement(mask, reference, index_y, index_x)
    assert sum(total[:4]) == mask.size


def test_several_products_at_once() -> None:
    mask = parcel_mask(256, parcels=30, specks=80)
    rng = np.random.default_rng(1)
    references = [
        Reference(rng.random((n, n)) < 0.5, nearest_index(256, n), nearest_index(256, n)) for n in (9, 9, 26, 256)
    ]
    assert agreements(mask, references) == [agreement(mask, *reference) for reference in references]


def test_the_frame_is_no_edge() -> None:
    full = np.ones((65, 129), bool)
    counts = agreement(full, np.ones((1, 1), bool), np.zeros(65, int), np.zeros(129, int))
    assert counts == AgreementCounts(full.size, 0, 0, 0, 0, 0)
    assert agreement(full[:0], np.ones((1, 1), bool), np.zeros(0, int), np.zeros(129, int)) == AgreementCounts(
        0, 0, 0, 0, 0, 0
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"mask": np.zeros((4, 4))}, TypeError, "mask is float64"),
        ({"mask": np.full((4, 4), 255, np.uint8)}, ValueError, "mask holds values other than 0 and 1"),
        ({"reference": np.full((2, 2), 40, np.uint8)}, ValueError, "reference holds values other than 0 and 1"),
        ({"index_x": np.array([0, 0, 1, 2])}, ValueError, "index_x reaches from 0 to 2; the reference has 0 to 1"),
        ({"index_y": np.array([0, 0, 1])}, ValueError, r"expected integers of shape \(4,\)"),
        ({"index_y": np.zeros(4)}, ValueError, "index_y is float64"),
        ({"inner": (slice(0, 4, 2), slice(0, 4))}, ValueError, "expected slices without a step"),
    ],
)
def test_bad_input(change: dict[str, object], error: type[Exception], message: str) -> None:
    good = {"mask": np.ones((4, 4), bool), "reference": np.ones((2, 2), bool)}
    good |= {"index_y": np.array([0, 0, 1, 1]), "index_x": np.array([0, 0, 1, 1])}
    with pytest.raises(error, match=message):
        agreement(**{**good, **change})
