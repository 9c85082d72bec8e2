"""Draws the scenes on which the models of a cross-validation agree least with the labels.

    python -m benchmarks.worst_scenes --folds ~/.cache/croplayer/models/checkpoints \\
        --images naip_fields/images --polygons naip_fields/fields.gpkg -o docs/models_worst.jpg

Each scene is judged by the fold's model that never saw it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.error_picture import error_picture
from croplayer.measures.agreement import mask_agreement
from croplayer.models import load_segmenter
from croplayer.models.networks.inference import predict_proba
from croplayer.models.networks.manifest import read_manifest
from croplayer.models.networks.segmentation import SegmentationNetwork
from croplayer.models.training.evaluation import THRESHOLD
from croplayer.models.training.scenes import LabelledScenes, Scene


def main() -> None:
    """Write the picture and print the IoU of the scenes in it."""
    arguments = _arguments()
    scenes = LabelledScenes.open(arguments.images, arguments.polygons)
    rows = []
    for folder in sorted(arguments.folds.glob("fold-*")):
        seen = read_manifest(folder).seen_scenes
        network = load_segmenter(folder)
        rows += [_row(network, scene, arguments.side_px) for scene in scenes.scenes if scene.name not in seen]
    if sorted(name for _, name, _ in rows) != list(scenes.names):
        raise ValueError(f"the folds in {arguments.folds} do not judge each scene once")
    worst = sorted(rows, key=lambda row: row[:2])[: arguments.scenes]
    for iou, name, _ in worst:
        print(f"{name}  IoU {iou:.3f}")
    Image.fromarray(np.concatenate([picture for _, _, picture in worst])).save(arguments.out, quality=88)


def _row(network: SegmentationNetwork, scene: Scene, side_px: int) -> tuple[float, str, np.ndarray]:
    """IoU, name and picture of a scene."""
    arrays = scene.read()
    probability = predict_proba(network, arrays.rgb, ground_sample_distance_m=scene.gsd_m, valid=arrays.valid)
    mapped = probability >= THRESHOLD
    picture = Image.fromarray(error_picture(arrays.rgb, arrays.field, mapped))
    small = picture.resize((3 * side_px, side_px), Image.Resampling.LANCZOS)
    return mask_agreement(mapped, arrays.field, arrays.valid).iou, scene.name, np.asarray(small)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=Path, required=True, help="Folder with the folds' models.")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--polygons", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=3)
    parser.add_argument("--side-px", type=int, default=320)
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
