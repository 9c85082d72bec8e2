"""The map of an opened cube within a notebook: the page of ``croplayer view``, served by a thread of the notebook's process."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from queue import Queue

import xarray as xr

from croplayer.cube.behind import Behind, cube_behind, map_behind
from croplayer.viewer.run_view import RunView
from croplayer.viewer.server import serve
from stores.extras import how_to_install
from stores.grid import Bounds

SERVED_AT_ONCE = 4
"""Editions whose map is kept open."""
PATIENCE_S = 60


@dataclass(frozen=True)
class MapInBrowser:
    """A map that this process serves; as the last line of a cell, a notebook shows it."""

    address: str
    """Of the page, with its token; any browser of this machine opens it while the process lives."""
    height_px: int

    def _repr_html_(self) -> str:
        # The address holds nothing that markup could take for its own: a port, a token and numbers.
        return f'<iframe src="{self.address}" width="100%" height="{self.height_px}" style="border:0"></iframe>'


def explore(dataset: xr.Dataset, height_px: int = 600) -> MapInBrowser:
    """See `croplayer.cube.accessor.CropAccessor.explore`."""
    behind = cube_behind(dataset) or map_behind(dataset, None)
    if behind is None:
        raise ValueError(
            "a map shows what lies in a cube; this dataset holds no imagery and no map as open_cube gives them"
        )
    west, south, east, north = _bounds(dataset)
    return MapInBrowser(f"{_served(behind)}#box={west:.6f},{south:.6f},{east:.6f},{north:.6f}", height_px)


def _bounds(dataset: xr.Dataset) -> Bounds:
    """Box of the centres of a dataset's pixels."""
    x, y = dataset["x"], dataset["y"]
    return Bounds(float(x.min()), float(y.min()), float(x.max()), float(y.max()))


@lru_cache(SERVED_AT_ONCE)
def _served(behind: Behind) -> str:
    """The address of the page of an edition, which is served from the first call on."""
    place = behind.run or behind.cube
    view = RunView.of(place, behind.edition)
    addresses: Queue[str | BaseException] = Queue()

    def work() -> None:
        try:
            serve(view, say=addresses.put, frames=True)
        except ModuleNotFoundError as error:
            addresses.put(ModuleNotFoundError(f"{error}; {how_to_install('page')}"))
        except BaseException as error:
            addresses.put(error)

    threading.Thread(target=work, name="croplayer map", daemon=True).start()
    address = addresses.get(timeout=PATIENCE_S)
    if isinstance(address, BaseException):
        raise address
    return address
