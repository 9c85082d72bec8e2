"""Where a catalog is written and how its parts point to each other and to the files."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pystac import Link, MediaType, RelType, STACObject

from stores.inner_paths import path_inside
from stores.places import is_remote, write_key

COLLECTION = "collection.json"


@dataclass(frozen=True)
class CatalogPlace:
    """A folder or a prefix of a bucket that holds a catalog."""

    root: str
    """Folder, or ``s3://BUCKET/PREFIX``."""
    address: str | None = None
    """Address that the catalog is served at: links are then absolute and name themselves; None gives relative links."""
    data: str | None = None
    """Address that the run's folder is served at; None gives paths from the catalog to the folder."""

    def href(self, path: str, seen_from: str) -> str:
        """Link to a part of the catalog by its path, from another part."""
        if self.address is not None:
            return f"{self.address.rstrip('/')}/{path}"
        relative = posixpath.relpath(path, posixpath.dirname(seen_from) or ".")
        return relative if relative.startswith(".") else f"./{relative}"

    def file_href(self, file: Path, folder: Path, seen_from: str) -> str:
        """Link to a file of a run's folder, or of the catalog itself, from a part of the catalog.

        Raises ValueError for a catalog in a bucket without `data`: no relative path leads from there to a disk.
        """
        if not is_remote(self.root) and file.resolve().is_relative_to(Path(self.root).resolve()):
            return self.href(file.resolve().relative_to(Path(self.root).resolve()).as_posix(), seen_from)
        if self.data is not None:
            return f"{self.data.rstrip('/')}/{file.resolve().relative_to(folder.resolve()).as_posix()}"
        if is_remote(self.root):
            raise ValueError(
                f"{self.root} cannot point to files on this disk; say with --data where {folder} is served"
            )
        beside = PurePosixPath(Path(self.root).resolve().as_posix()) / posixpath.dirname(seen_from)
        return posixpath.relpath(file.resolve().as_posix(), str(beside))

    def write(self, path: str, part: STACObject, links: Sequence[tuple[str, str, str | None]]) -> None:
        """Write a part of the catalog with links to others.

        Parameters
        ----------
        path : its path in the catalog
        links : relation, path in the catalog and title of each link
        """
        if self.address is not None:
            part.add_link(Link(RelType.SELF, self.href(path, path), MediaType.JSON))
        for relation, target, title in links:
            kind = MediaType.GEOJSON if relation == RelType.ITEM else MediaType.JSON
            part.add_link(Link(relation, self.href(target, path), kind, title))
        self.write_json(path, _plain(part))

    def write_json(self, path: str, content: dict[str, Any]) -> None:
        """Write a JSON file; the same content gives the same bytes."""
        self.write_bytes(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())

    def write_bytes(self, path: str, data: bytes) -> None:
        """Write a file of the catalog. It is not made durable one by one: a catalog is written again in minutes."""
        if is_remote(self.root):
            write_key(self.root, path, data)
            return
        file = path_inside(Path(self.root), path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def _plain(part: STACObject) -> dict[str, Any]:
    """A part as a dictionary, whose links are as they were given; pystac adds one to the part itself as its root."""
    content = part.to_dict(include_self_link=False, transform_hrefs=False)
    content["links"] = [
        {"rel": str(link.rel), "href": link.target}
        | ({"type": str(link.media_type)} if link.media_type else {})
        | ({"title": link.title} if link.title else {})
        for link in part.links
        if isinstance(link.target, str)
    ]
    return content
