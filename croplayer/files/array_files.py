"""Arrays of .npz files from anywhere, measured before one of them is unpacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

LARGEST_ARRAY_BYTES = 1024**3
"""Of one array once it is unpacked; the file may be a thousandth of that."""
ZIP = b"PK\x03\x04"
NUMBERS = "biuf"
"""Kinds of types that are read; objects never."""

T = TypeVar("T")


class _Member(NamedTuple):
    """What the archive says of an array."""

    dtype: np.dtype[Any]
    stated_bytes: int
    """By the array's own header."""
    packed_bytes: int
    """By the archive, which unpacks no more than that."""


def read_arrays(path: Path, names: Sequence[str]) -> tuple[np.ndarray, ...]:
    """Arrays of an .npz file by their names.

    Raises
    ------
    ValueError, in one sentence that names the file and the array, when the file is no .npz or damaged, lacks an
    array, or holds one that is of another kind than numbers or larger than ``LARGEST_ARRAY_BYTES``.
    """
    with path.open("rb") as file:
        start = file.read(len(ZIP))
        if start != ZIP:
            raise ValueError(f"{path} is no .npz file; it starts with {start!r}")
        file.seek(0)
        with _unless_damaged(path, lambda: np.load(file, allow_pickle=False)) as archive:
            for name in names:
                if name not in archive.files:
                    raise ValueError(f"{path} lacks array '{name}'; it has {', '.join(archive.files) or 'none'}")
                _check(_unless_damaged(path, partial(_measured, archive, name)), f"{path} array '{name}'")
            return tuple(_unless_damaged(path, partial(archive.__getitem__, name)) for name in names)


def _unless_damaged(path: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except Exception as error:  # readers of damaged archives raise whatever they trip over
        raise ValueError(f"{path} cannot be read as .npz, it is damaged: {error}") from error


def _measured(archive: Any, name: str) -> _Member:
    packed = archive.zip.getinfo(f"{name}.npy")
    with archive.zip.open(packed) as file:
        is_first = np.lib.format.read_magic(file) == (1, 0)
        read = np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        stated = int(np.prod(shape, dtype=object)) * dtype.itemsize
        return _Member(dtype, stated, packed.file_size - file.tell())


def _check(member: _Member, place: str) -> None:
    if member.dtype.kind not in NUMBERS:
        raise ValueError(f"{place} is of {member.dtype}; expected numbers")
    if member.stated_bytes > LARGEST_ARRAY_BYTES:
        raise ValueError(f"{place} has {member.stated_bytes} bytes; expected at most {LARGEST_ARRAY_BYTES}")
    if member.stated_bytes != member.packed_bytes:
        raise ValueError(
            f"{place} says {member.stated_bytes} bytes and unpacks to {member.packed_bytes}; write the file again"
        )
