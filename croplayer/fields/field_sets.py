"""All fields of an edition, read part by part from its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import geopandas as gpd
import pandas as pd
from pyarrow import parquet

from croplayer.fields.files import read_fields
from stores.field_columns import AREA, ID
from stores.grid import CRS, Bounds


class FieldFiles:
    """The fields of some files that `write_fields` wrote; a `matching.FieldSet`."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def known(self) -> pd.DataFrame:
        """Columns id and area_ha of all fields."""
        tables = [parquet.ParquetFile(path).read(columns=[ID, AREA]).to_pandas() for path in self._paths]
        return pd.concat(tables, ignore_index=True)

    def parts(self) -> Iterator[gpd.GeoDataFrame]:
        """All fields, a row group at a time."""
        for path in self._paths:
            yield from read_fields(path)

    def near(self, bounds: Bounds) -> gpd.GeoDataFrame:
        """The fields whose boxes touch some bounds."""
        parts = [part for path in self._paths for part in read_fields(path, bounds)]
        return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=CRS)
