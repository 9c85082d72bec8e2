"""Paths that stay inside their folder, whoever wrote them."""

from __future__ import annotations

from pathlib import Path


class PathOutsideError(ValueError):
    """A path leads out of the folder that it belongs to."""


def check_name(name: str) -> None:
    """Raise PathOutsideError unless a relative path, written with ``/``, leads nowhere else by its words alone."""
    parts = name.split("/")
    if not name or "\0" in name or "\\" in name or parts[0].endswith(":") or not {"", ".", ".."}.isdisjoint(parts):
        raise PathOutsideError(f"{name!r} is not the path of a file inside its folder")


def path_inside(folder: Path, name: str) -> Path:
    """Path of a file in a folder; raises PathOutsideError if its words or a link on the way lead elsewhere.

    The last part may be a link, since a file is replaced or removed without following it.
    """
    check_name(name)
    path = folder / name
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise PathOutsideError(f"{path} leads through a link out of {folder}; replace the link by what it leads to")
    return path
