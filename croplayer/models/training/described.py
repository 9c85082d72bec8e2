"""The description of the imagery of training scenes, for the bundle of the network that learned from them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from croplayer.models.bundles.bundle import load, read_checked
from croplayer.models.bundles.familiarity_file import FAMILIARITY_NAME, familiarity_bytes
from croplayer.models.bundles.whole_folders import write_whole_folder
from croplayer.models.networks.familiarity import FEWEST_SCENES, Familiarity, describe_windows
from croplayer.models.networks.manifest import MANIFEST_NAME, MANIFEST_SUM_NAME, TRAINING_SCENES, manifest_sum
from croplayer.models.networks.segmentation import SegmentationNetwork
from croplayer.models.networks.window_features import places_of_windows, window_edge_px, window_features
from croplayer.models.training.scenes import LabelledScenes, Scene, SceneArrays

WINDOWS_ALONG = 5
"""Most windows along each side of a scene."""
WINDOWS_AT_ONCE = 8
LABELLED_SHARE = 0.5
"""Share of a window's pixels with a label from which on the network has learned it; of open water the land around has none."""


def describe_scenes(
    network: SegmentationNetwork, scenes: LabelledScenes, gsd_m: tuple[float, float]
) -> Familiarity | None:
    """What a network's training scenes look like, at their own pixel or at the nearest that it learned from.

    Parameters
    ----------
    network : in evaluation mode
    gsd_m : range of ground sample distances that it was trained at, metres

    Returns
    -------
    None where too few scenes are as large as a window.
    """
    edge = window_edge_px(gsd_m)
    return describe_windows(
        edge,
        [
            _scene_features(network, scene, arrays, gsd_m, edge)
            for scene, arrays in zip(scenes.scenes, scenes.read_all(), strict=True)
        ],
    )


def _scene_features(
    network: SegmentationNetwork, scene: Scene, arrays: SceneArrays, gsd_m: tuple[float, float], edge: int
) -> np.ndarray:
    """Features (n, c) of labelled windows of a scene; none of a scene that is smaller than a window."""
    own_edge = max(1, round(edge * min(max(scene.gsd_m, gsd_m[0]), gsd_m[1]) / scene.gsd_m))
    places = places_of_windows(arrays.valid, own_edge, WINDOWS_ALONG)
    places = [place for place in places if arrays.labelled[place].mean() >= LABELLED_SHARE]
    found = []
    for start in range(0, len(places), WINDOWS_AT_ONCE):
        windows = [_resized(arrays.rgb[p], arrays.valid[p], edge) for p in places[start : start + WINDOWS_AT_ONCE]]
        found.append(window_features(network, *(np.stack(parts) for parts in zip(*windows, strict=True))))
    return np.vstack(found) if found else np.zeros((0, 0))


def _resized(rgb: np.ndarray, valid: np.ndarray, edge: int) -> tuple[np.ndarray, np.ndarray]:
    """A window with the edge of another number of pixels, averaged where it shrinks."""
    if len(rgb) == edge:
        return rgb, valid
    planes = torch.from_numpy(np.dstack([rgb * valid[..., None], valid]).astype(np.float32)).permute(2, 0, 1)[None]
    resized = functional.interpolate(planes, size=(edge, edge), mode="bilinear", antialias=True)[0].permute(1, 2, 0)
    share = resized[..., 3:].numpy()
    known = share[..., 0] > 0.5
    colours = np.where(known[..., None], resized[..., :3].numpy() / np.maximum(share, 0.5), 0)
    return np.rint(colours).clip(0, 255).astype(np.uint8), known


def add_familiarity(folder: Path, scenes: LabelledScenes) -> list[str]:
    """Write the description of its training scenes into a bundle of a segmentation, in one step; its digest changes.

    Parameters
    ----------
    folder : the bundle; a description that it has is replaced
    scenes : those that its manifest names as training scenes are described, others are not

    Returns
    -------
    names of training scenes that ``scenes`` lacks

    Raises
    ------
    ValueError if the bundle does not segment, or too few of its training scenes are there and as large as a window.
    """
    manifest, contents = read_checked(folder)
    network = load(folder, device="cpu")
    if not isinstance(network, SegmentationNetwork):
        raise ValueError(f"model '{folder}' does not segment; name a segmentation model")
    learned = set(manifest.metrics.get(TRAINING_SCENES, ()))
    known = scenes.subset([name for name in scenes.names if name in learned])
    described = describe_scenes(network, known, manifest.ground_sample_distance_m)
    if described is None:
        raise ValueError(
            f"{len(known)} of the {len(learned)} training scenes of {folder} are there; a description needs at least "
            f"{FEWEST_SCENES} that are as large as a window and do not all look the same, so give the folder of the scenes that "
            "it was trained on"
        )
    contents[FAMILIARITY_NAME] = familiarity_bytes(described)
    files = dict(manifest.files) | {FAMILIARITY_NAME: hashlib.sha256(contents[FAMILIARITY_NAME]).hexdigest()}
    contents[MANIFEST_NAME] = replace(manifest, files=dict(sorted(files.items()))).to_json()
    contents[MANIFEST_SUM_NAME] = manifest_sum(contents[MANIFEST_NAME])
    write_whole_folder(folder, contents, MANIFEST_NAME)
    return sorted(learned - set(known.names))
