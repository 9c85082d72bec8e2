"""The map within a notebook: served by its own process, of the edition that a dataset is of, where the dataset lies."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import requests

from croplayer.cube.opening import open_cube
from croplayer.viewer.notebook import explore

pytest.importorskip("xstatic.pkg.leaflet")


def test_a_cell_shows_the_map_of_the_region(run: Path) -> None:
    cube = open_cube(run / "cube.zarr", region=(114.02, 34.92, 114.08, 34.98))
    shown = cube.crop.explore(height_px=321)
    markup = shown._repr_html_()
    (address,) = re.findall(r'<iframe src="(http://127\.0\.0\.1:\d+/[^"]+)" width="100%" height="321"', markup)
    assert address == shown.address
    page, _, box = address.partition("#box=")
    np.testing.assert_allclose(list(map(float, box.split(","))), [114.02, 34.92, 114.08, 34.98], atol=1e-3)
    answer = requests.get(page, timeout=60)
    assert answer.status_code == 200 and "frame-ancestors" not in answer.headers["Content-Security-Policy"]
    assert requests.get(f"{page}about.json", timeout=60).json()["edition"] == "2020"
    assert explore(cube.isel(x=slice(0, 5))).address.startswith(page)  # the same server


def test_computed_maps_are_refused(run: Path) -> None:
    cube = open_cube(run / "cube.zarr")[["croplayer"]]
    with pytest.raises(ValueError, match="holds no imagery and no map"):
        (cube * 0).crop.explore()
