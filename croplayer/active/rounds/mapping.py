"""Map the blocks of a sample with the model of a round, from the imagery in the run's cube.

The masks of a block are a GeoTIFF with a band of each source, which a GIS shows. Nothing is fetched and the run's own map is
not touched. At the edge of the run there is no imagery around a block, so its outermost pixels may differ from a run's, which
reads beyond its region.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

from croplayer.cube.whole_blocks import Cube
from croplayer.measures.agreement import Agreement, mask_agreement
from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.networks.cell_memory import CellMemory
from croplayer.models.networks.cells import blended_halo_px
from croplayer.models.training.scenes import LabelledScenes
from croplayer.sources.imagery import empty_imagery
from stores.columns import CROPLAND_MASK, IMAGERY_VALID, RGB
from stores.durable import PARTIAL, sync_folder
from stores.grid import CRS, BlockGrid, BlockIndex
from stores.legends import CROPLAND, NEVER_PROCESSED

CELLS_KEPT = 64
"""Predicted cells that are remembered for the blocks beside them."""


@dataclass(frozen=True)
class MappingSettings:
    """How the run maps a block with its network (the recipe's grid and segmentation)."""

    cell_px: int
    blend_px: int
    batch_cells: int
    threshold: float
    device: str = "cpu"
    """Kind of torch device; the last bits of the masks depend on it."""


@dataclass(frozen=True)
class SampleMap:
    """The masks of the blocks that a round mapped."""

    folder: Path
    grid: BlockGrid
    sources: tuple[str, ...]

    def path(self, block: str) -> Path:
        """File of a block."""
        return self.folder / f"{block}.tif"

    def read(self, block: str) -> dict[str, np.ndarray] | None:
        """Mask of each source, (h, w) uint8 with the flags of `stores.legends`; None for a block that was not mapped.

        Raises ValueError for a file that holds other masks.
        """
        if not self.path(block).is_file():
            return None
        with rasterio.open(self.path(block), driver="GTiff") as file:
            masks = file.read()
        n = self.grid.block_px
        if masks.shape != (len(self.sources), n, n):
            raise ValueError(
                f"{self.path(block)} holds masks of {masks.shape}; expected {(len(self.sources), n, n)}, so it is damaged"
            )
        return dict(zip(self.sources, masks, strict=True))

    def write(self, block: str, masks: dict[str, np.ndarray]) -> None:
        """Write the masks of a block; a reader sees the whole file or none, and the same masks give the same bytes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{block}.tif{PARTIAL}"
        window = self.grid.window(BlockIndex.parse(block))
        with rasterio.open(
            partial, "w", driver="GTiff", height=window.height, width=window.width, count=len(self.sources), dtype="uint8",
            crs=CRS, transform=self.grid.transform(window), compress="deflate", nodata=NEVER_PROCESSED,
        ) as file:  # fmt: skip
            for band, source in enumerate(self.sources, start=1):
                file.write(masks[source], band)
                file.set_band_description(band, source)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(self.path(block))
        sync_folder(self.folder)


def map_blocks(
    cube: Cube,
    model: Path,
    blocks: Iterable[str],
    settings: MappingSettings,
    out: SampleMap,
    on_block: Callable[[], None] | None = None,
) -> None:
    """Map blocks from the imagery of a cube; those that are mapped already are left as they are.

    Parameters
    ----------
    model : bundle of a segmentation
    blocks : names of blocks of the cube
    on_block : called after each block that was mapped
    """
    from croplayer.models.networks.inference import mask_from_probability, predict_layers

    left = [name for name in blocks if not out.path(name).is_file()]
    if not left:
        return
    network = load_segmenter(model, device=settings.device)
    cell_px, halo_px = settings.cell_px, blended_halo_px(settings.cell_px, settings.blend_px)
    memory = CellMemory(CELLS_KEPT)
    for name in left:
        masks = {}
        for source in cube.sources:
            rgb, valid = _imagery_around(cube, BlockIndex.parse(name), source, halo_px)
            probability = predict_layers(
                network, rgb, valid, cell_px=cell_px, halo_px=halo_px, blend_px=settings.blend_px,
                batch_cells=settings.batch_cells, memory=memory,
            )[0]  # fmt: skip
            masks[source] = mask_from_probability(probability, settings.threshold)
        out.write(name, masks)
        if on_block is not None:
            on_block()


def held_out_agreement(model: Path, scenes: LabelledScenes, settings: MappingSettings) -> dict[str, Agreement]:
    """How a model agrees with the labels of each scene, by its name, where it maps them at the pixels of the map.

    A model that knows other pixels is judged as it maps, and not at a scale that suits it better. Pixels without imagery or
    outside of the task do not count.
    """
    from croplayer.models.networks.inference import mask_from_probability, predict_image

    if not len(scenes):
        return {}
    network = load_segmenter(model, device=settings.device)
    found = {}
    for scene, arrays in zip(scenes.scenes, scenes.read_all(), strict=True):
        mask = mask_from_probability(predict_image(network, arrays.rgb, arrays.valid), settings.threshold)
        found[scene.name] = mask_agreement(mask == CROPLAND, arrays.field, arrays.labelled)
    return found


def run_masks(cube: Cube, block: str) -> dict[str, np.ndarray]:
    """The run's own mask of each source in a block."""
    return {source: cube.read_block(CROPLAND_MASK, BlockIndex.parse(block), source) for source in cube.sources}


def _imagery_around(cube: Cube, block: BlockIndex, source: str, halo_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of a block and its halo as far as the cube has them."""
    whole = cube.grid.window(block).grown(halo_px)
    rgb, valid, *_ = empty_imagery(whole)
    stored = whole.common(cube.blocks.window(cube.grid))
    area = stored.slices_in(whole)
    rgb[area] = cube.read_window(RGB, stored, source)
    valid[area] = cube.read_window(IMAGERY_VALID, stored, source)
    return rgb, valid
