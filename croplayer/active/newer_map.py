"""The map of a later network than the run's in single windows, from the imagery in the run's cube."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.active.held_out import block_of
from croplayer.active.imagery import picture_window
from croplayer.active.scores import probability_scores
from croplayer.cube.whole_blocks import Cube
from croplayer.measures.masks import integrated_mask
from stores.columns import IMAGERY_VALID, RGB
from stores.grid import PixelWindow
from stores.legends import Integration


@dataclass(frozen=True)
class NewerMap:
    """What the network of a round makes of windows; nothing of it is kept."""

    round: int
    """Number of the round."""
    probability: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """Probability of cropland, (h, w) uint8, 0..250 = 0..1, 254 no imagery, of pixels (h, w, 3) uint8 and where there is imagery."""
    threshold: float
    """Probability from which a pixel is cropland, 0..1, as in the run."""
    choices: Mapping[str, tuple[int, bool]]
    """The run's `Integration` of each block with a map, by its name, and whether no imagery was usable."""

    def scores(self, cube: Cube, window: PixelWindow, sources: Sequence[str]) -> dict[str, float]:
        """Entropy, margin and source_disagreement of a square window, as `scores.pixel_scores` tells them of the run's map.

        ``sources`` are those whose imagery the map takes there, at least one.
        """
        probabilities = self._probabilities(cube, window, sources)
        found = probability_scores(probabilities, [self._mask(p) for p in probabilities], window.height)
        return {name: float(values[0]) for name, values in found.items()}

    def mask(self, cube: Cube, window: PixelWindow) -> np.ndarray:
        """Flags (h, w) uint8 of the integrated map of a window; the run's decision for its block chooses the sources.

        Corrections by hand are not in it. Raises KeyError for a block without a map.
        """
        choice, unusable = self.choices[block_of(window, cube.grid).name]
        masks = [self._mask(p) for p in self._probabilities(cube, window, cube.sources)]
        return integrated_mask(masks, Integration(choice), unusable)

    def _probabilities(self, cube: Cube, window: PixelWindow, sources: Sequence[str]) -> list[np.ndarray]:
        """Of some sources; the network sees the land around the window as the picture of a task shows it."""
        around = picture_window(window, cube)
        area = window.slices_in(around)
        pictures = ((cube.read_window(RGB, around, s), cube.read_window(IMAGERY_VALID, around, s)) for s in sources)
        return [self.probability(rgb, valid)[area] for rgb, valid in pictures]

    def _mask(self, probability: np.ndarray) -> np.ndarray:
        from croplayer.models.networks.inference import mask_from_probability

        return mask_from_probability(probability, self.threshold)
