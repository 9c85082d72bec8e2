"""Read arrays of .npz files of any origin, whose sizes are checked before anything is unpacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

LARGEST_ARRAY_BYTES = 1024**3
"""Largest size of one array once it is unpacked; a compressed file may be a thousand times smaller."""
ZIP = b"PK\x03\x04"
NUMBERS = "biuf"
"""Kinds of dtypes that are read: bool, integers and floats."""

T = TypeVar("T")


class _Member(NamedTuple):
    """The type and size of an array in an archive."""

    dtype: np.dtype[Any]
    stated_bytes: int
    """Size by the array's own header."""
    packed_bytes: int
    """Size by the archive's index; no more than this is unpacked."""


def read_arrays(path: Path, names: Sequence[str]) -> tuple[np.ndarray, ...]:
    """Arrays of an .npz file in the order of their names, each of its own shape and numeric dtype.

    Raises
    ------
    FileNotFoundError
        if there is no file
    ValueError
        if the file is not an .npz or is damaged, lacks an array, or has one that is not numeric or is larger than
        ``LARGEST_ARRAY_BYTES``
    """
    with path.open("rb") as file:
        start = file.read(len(ZIP))
        if start != ZIP:
            raise ValueError(f"{path} is not an .npz file; it starts with {start!r}")
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
    except Exception as error:  # readers raise errors of any class on damaged archives
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
            f"{place} has {member.packed_bytes} bytes, its header says {member.stated_bytes}; write the file again"
        )
