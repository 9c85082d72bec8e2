"""What another map says is there now, where the cropland changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.products.product import NO_CODE, Product
from stores.change import CONVERSIONS
from stores.grid import BlockGrid, PixelWindow
from stores.legends import CROPLAND, NO_IMAGERY, Change


class Conversion(NamedTuple):
    """A kind of change on ground of one class of a product."""

    change: Change
    is_cropland: bool | None
    """None where the product does not know the ground."""
    code: int
    """Class code of the product; NO_CODE for a map in per cent, or ground that it does not know."""


def conversions(change: np.ndarray, product: Product, window: PixelWindow, grid: BlockGrid) -> dict[Conversion, float]:
    """Area of gain and of loss on each class of a product, km2 on the ellipsoid.

    Parameters
    ----------
    change : (h, w) uint8 `Change` of the window
    """
    flags = product.read(window, grid).flags()
    codes = product.codes(window, grid, flags < NO_IMAGERY)
    rows = grid.pixel_area_m2(window.row, window.height) / 1e6
    out: dict[Conversion, float] = {}
    for kind in (Change.GAIN, Change.LOSS):
        y, x = np.nonzero(change == kind)
        pairs, which = np.unique(np.stack([flags[y, x].astype(np.int64), codes[y, x]]), axis=1, return_inverse=True)
        for (flag, code), area in zip(pairs.T, np.bincount(which.ravel(), rows[y], pairs.shape[1]), strict=True):
            is_cropland = None if flag >= NO_IMAGERY else bool(flag == CROPLAND)
            out[Conversion(kind, is_cropland, int(code))] = float(area)
    return out


def conversion_table(
    product: str, year: int | None, classes: Mapping[int, str], parts: Iterable[Mapping[Conversion, float]]
) -> pd.DataFrame:
    """The sum of `conversions` of many blocks, with the columns of `stores.change.CONVERSIONS`, largest first.

    Parameters
    ----------
    classes : name of each class by its code
    """
    sums: dict[Conversion, float] = {}
    for part in parts:
        for conversion, km2 in part.items():
            sums[conversion] = sums.get(conversion, 0.0) + km2
    rows = []
    for kind in (Change.LOSS, Change.GAIN):
        of_kind = {conversion: km2 for conversion, km2 in sums.items() if conversion.change == kind}
        total = sum(of_kind.values())
        for conversion, km2 in sorted(of_kind.items(), key=lambda item: (-item[1], item[0].code)):
            has_code = conversion.code != NO_CODE
            rows.append({
                "product": product, "year": pd.NA if year is None else year, "change": kind.label,
                "is_cropland": pd.NA if conversion.is_cropland is None else conversion.is_cropland,
                "code": conversion.code if has_code else pd.NA, "class": classes.get(conversion.code, ""),
                "km2": km2, "share": km2 / total,
            })  # fmt: skip
    table = pd.DataFrame(rows, columns=list(CONVERSIONS))
    return table.astype({"year": "Int64", "code": "Int64", "is_cropland": "boolean"})
