"""Give the values of a store keys in another one: what a new edition takes over from the one before.

On a disk they are hard links: both keys hold the same bytes and take the space of one, and writing one of them, which replaces
the file, leaves the other as it was. Where there are no hard links, and in a bucket, they are copies.
"""

from __future__ import annotations

import os
from pathlib import Path

from stores.durable import partial_folder, sync_folder, write_durable
from stores.inner_paths import check_name, path_inside
from stores.places import bucket_of, is_remote


class Links:
    """Links from one store into another, in the same bucket or on the same disk."""

    def __init__(self, place: str | Path, to_place: str | Path) -> None:
        """Raises ValueError for two different buckets."""
        if (is_remote(place) or is_remote(to_place)) and str(place) != str(to_place):
            raise ValueError(f"{place} and {to_place} are not the same bucket, so nothing can be carried over")
        self._place, self._to_place = place, to_place
        self._from: set[str] = set()
        self._to: set[str] = set()
        """Folders that were seen to lie in their store; a nation has millions of files in thousands of them."""

    def link(self, key: str, to_key: str) -> None:
        """Give the value of a key of the first store a key in the second; `sync` makes it durable.

        Raises FileNotFoundError if the key is not there, PathOutsideError if a link leads out of a store.
        """
        if is_remote(self._place):
            import obstore

            obstore.copy(bucket_of(str(self._place)), key, to_key)
            return
        source, target = self._checked(self._place, key, self._from), self._checked(self._to_place, to_key, self._to)
        try:
            _link(source, target)
        except OSError:
            if not Path(source).is_file():
                raise
            write_durable(Path(target), Path(source).read_bytes(), partial_folder(Path(self._to_place)))

    def sync(self) -> None:
        """Make the names of what was linked durable, with those of the folders that they lie in."""
        if is_remote(self._to_place):
            return
        for folder in sorted({"", *self._to}, reverse=True):
            sync_folder(Path(self._to_place) / folder)

    def _checked(self, place: str | Path, key: str, seen: set[str]) -> str:
        """Path of a key that lies in its store; the folder of the second store's is made."""
        folder, _, name = key.rpartition("/")
        check_name(name if folder in seen else key)
        if folder and folder not in seen:
            self._check_folder(os.fspath(place), folder, seen)
        return f"{os.fspath(place)}{os.sep}{key}"

    def _check_folder(self, place: str, folder: str, seen: set[str]) -> None:
        """Make sure that a folder lies in a store, and its parents; raises PathOutsideError if a link leads out of it."""
        parent = folder.rpartition("/")[0]
        if parent and parent not in seen:
            self._check_folder(place, parent, seen)
        path = f"{place}{os.sep}{folder}"
        if seen is self._to:
            Path(path).mkdir(parents=True, exist_ok=True)
        if Path(path).is_symlink():
            path_inside(Path(place), f"{folder}/x")
        seen.add(folder)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        os.unlink(target)  # noqa: PTH108  (millions of files: a Path for each takes longer)
        os.link(source, target)
