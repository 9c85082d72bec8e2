"""The file in a bundle that describes the imagery that its network learned from."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from croplayer.models.bundles.catalogue import find_bundle
from croplayer.models.networks.familiarity import MOST_COMPONENTS, Familiarity, Normal
from croplayer.models.networks.manifest import MANIFEST_NAME, Manifest, manifest_bytes

FAMILIARITY_NAME = "familiarity.safetensors"
LARGEST_FAMILIARITY = 200_000
"""Largest file that is written or read, in bytes."""


def familiarity_bytes(familiarity: Familiarity) -> bytes:
    """The file of a description: float32 arrays; raises ValueError where it would be larger than `LARGEST_FAMILIARITY`."""
    normal = familiarity.normal
    arrays = {
        "window_px": np.array([familiarity.window_px], np.int32),
        "mean": normal.mean,
        "spread": normal.spread,
        "components": normal.components,
        "deviations": normal.deviations,
        "rest": np.array([normal.rest]),
        "scene_distances": familiarity.scene_distances,
    }
    data = safetensors.numpy.save(
        {k: v if v.dtype == np.int32 else np.ascontiguousarray(v, np.float32) for k, v in arrays.items()}
    )
    if len(data) > LARGEST_FAMILIARITY:
        raise ValueError(f"{FAMILIARITY_NAME} would have {len(data):,} bytes; expected at most {LARGEST_FAMILIARITY:,}")
    return data


def familiarity_of(data: bytes, origin: Path) -> Familiarity:
    """The description in the bytes of a file; raises ValueError, naming ``origin``, for others."""
    try:
        arrays = {name: array.astype(np.float64) for name, array in safetensors.numpy.load(data).items()}
        (window_px,), (rest,) = arrays["window_px"], arrays["rest"]
        normal = Normal(arrays["mean"], arrays["spread"], arrays["components"], arrays["deviations"], rest=float(rest))
        found = Familiarity(int(window_px), normal, arrays["scene_distances"])
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{origin} is no description of imagery: {error}") from error
    count, width = len(normal.deviations), len(normal.mean)
    fits = (
        normal.components.shape == (count, width) and normal.spread.shape == (width,) and 0 < count <= MOST_COMPONENTS
    )
    fits &= 0 < window_px <= 4096 and window_px % 32 == 0 and len(found.scene_distances) > 0
    finite = all(np.isfinite(array).all() for array in arrays.values())
    if not (fits and finite and min(normal.spread.min(), normal.deviations.min(), rest) > 0):
        raise ValueError(f"{origin} is no description of imagery: its arrays do not fit together")
    return found


def load_familiarity(name_or_path: Path | str, digest: str | None = None) -> Familiarity | None:
    """The description in a bundle; None in a bundle without one. Its file is read once per process.

    Parameters
    ----------
    name_or_path : as in ``load_segmenter``
    digest : ``bundle_digest`` it must have; None takes the bundle as it is

    Raises FileNotFoundError or ValueError for a missing, changed or damaged bundle or file.
    """
    folder = find_bundle(name_or_path)
    stored = manifest_bytes(folder)
    if digest is not None and hashlib.sha256(stored).hexdigest() != digest:
        raise ValueError(f"model bundle {folder} has not the digest {digest}: it is another or a changed model")
    expected = Manifest.from_json(stored, folder / MANIFEST_NAME).files.get(FAMILIARITY_NAME)
    return None if expected is None else _read(folder / FAMILIARITY_NAME, expected)


@lru_cache(maxsize=4)
def _read(path: Path, digest: str) -> Familiarity:
    if path.stat().st_size > LARGEST_FAMILIARITY:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes; expected at most {LARGEST_FAMILIARITY:,}")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(f"{path} does not match its digest in {MANIFEST_NAME}; the model is damaged or was changed")
    return familiarity_of(data, path)
