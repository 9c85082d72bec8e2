"""The library that draws the map in the browser."""

from __future__ import annotations

from pathlib import Path

LIBRARY_FILES = ("leaflet.js", "leaflet.css")


def library() -> Path:
    """The folder of Leaflet's files; raises ModuleNotFoundError when its package is not installed."""
    from xstatic.pkg import leaflet

    return Path(leaflet.BASE_DIR)
