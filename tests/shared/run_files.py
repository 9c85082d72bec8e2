"""Files that a run leaves."""

from __future__ import annotations

import hashlib
from pathlib import Path

CUBE_AND_RESULTS = (
    "cube.zarr",
    "tables",
    "figures",
    "export",
    "blocks.parquet",
    "boundaries.parquet",
    "report.html",
)

ONLY_WHERE_ASKED = ("fields",)


def digests(out: Path) -> dict[str, str]:
    """Digest of every result file by its name."""
    files = [
        p
        for name in (*CUBE_AND_RESULTS, *ONLY_WHERE_ASKED)
        for p in [out / name, *(out / name).rglob("*")]
        if p.is_file()
    ]
    return {p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
