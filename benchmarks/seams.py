"""Whether the borders of cells show on real dates of one place.

    python -m benchmarks.seams --images naip_dates/RGBIR --model default

The jump of probability across borders of cells against the same lines run through cells (1 where borders do
not show), for each raster brought to 2 m, and over all of them together.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.enums import Resampling

from croplayer.models import load_segmenter
from croplayer.models.judging.seams import SeamReport, measure_seams
from croplayer.models.networks.cells import blended_halo_px
from croplayer.models.networks.segmentation import SegmentationNetwork

CELL_PX = 512
GSD_M = 2.0


def main() -> None:
    """Print the ratio of each raster and of all together."""
    arguments = _arguments()
    torch.set_num_threads(1)
    network = load_segmenter(arguments.model, device="cpu")
    paths = sorted(arguments.images.glob("*.tif"))
    if not paths:
        raise FileNotFoundError(f"{arguments.images} holds no *.tif")
    for blend_px in arguments.blend_px:
        reports = []
        for path in paths:
            reports.append(_report(network, path, blend_px))
            print(f"{blend_px} px  {path.stem:<32}{reports[-1].ratio:>8.3f}", flush=True)
        borders, lines = (np.mean(values) for values in zip(*reports, strict=True))
        print(f"{blend_px} px  {'all together':<32}{borders / lines:>8.3f}")


def _report(network: SegmentationNetwork, path: Path, blend_px: int) -> SeamReport:
    with rasterio.open(path) as raster:
        gsd_m = abs(raster.transform.a) * (1 if raster.crs.is_projected else 111_319.49)
        h, w = (round(n * gsd_m / GSD_M) for n in raster.shape)
        rgb = raster.read([1, 2, 3], out_shape=(3, h, w), resampling=Resampling.bilinear)
        valid = raster.dataset_mask(out_shape=(h, w)) > 0
    halo_px = blended_halo_px(CELL_PX, blend_px)
    return measure_seams(
        network, np.ascontiguousarray(np.moveaxis(rgb, 0, -1)), valid,
        cell_px=CELL_PX, halo_px=halo_px, blend_px=blend_px,
    )  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="Folder of RGB rasters, coarser than 2 m or not.")
    parser.add_argument("--model", default="default")
    parser.add_argument("--blend-px", type=int, nargs="+", default=[32, 64])
    return parser.parse_args()


if __name__ == "__main__":
    main()
