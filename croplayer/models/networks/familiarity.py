"""How near imagery lies to what a network learned from.

A description of the training windows is a normal distribution of their standardised features: principal components with a
variance each, and one variance for all other directions (Tipping and Bishop 1999, J. R. Stat. Soc. B 61), shrunk after Ledoit
and Wolf (2004, J. Multivariate Anal. 88). Without the other directions imagery of another kind looks familiar, because it
differs where the training windows do not. A distance is read by those of the training scenes, each measured with a description
of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.models.networks.window_features import EncodingNetwork, places_of_windows, window_features

MOST_COMPONENTS = 16
"""Largest number of principal components of a description."""
FEWEST_SCENES = 3
"""Fewer training scenes describe nothing."""
MOST_DISTANCES = 1000
"""Most distances of training scenes that are kept; of more, quantiles are."""
MOST_PARTS = 32
"""Scenes are left out one by one, or in so many parts where there are more."""
WINDOWS_ALONG = 3
"""Windows of a block along each of its sides."""
_SMALLEST_SPREAD = 1e-6


@dataclass(frozen=True)
class Normal:
    """A normal distribution of standardised features, equally wide in all directions but its principal components."""

    mean: np.ndarray
    """(c,) float64, mean of each feature."""
    spread: np.ndarray
    """(c,) float64, standard deviation of each feature."""
    components: np.ndarray
    """(k, c) float64, principal components of the standardised features, of unit length."""
    deviations: np.ndarray
    """(k,) float64, shrunk standard deviation along each component."""
    rest: float
    """Root of the mean shrunk variance along the other directions."""

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Mahalanobis distance (n,) float64 of features (n, c)."""
        standardised = (features - self.mean) / self.spread
        along = standardised @ self.components.T
        beside = standardised - along @ self.components
        return np.asarray(
            np.sqrt(((along / self.deviations) ** 2).sum(axis=1) + ((beside / self.rest) ** 2).sum(axis=1))
        )


@dataclass(frozen=True)
class Familiarity:
    """The imagery that a network learned from."""

    window_px: int
    """Edge of the windows that are described, pixels."""
    normal: Normal
    """Distribution of the training windows."""
    scene_distances: np.ndarray
    """(s,) float64, sorted: mean distance of the windows of each training scene from a description of the others."""

    def share(self, distance: float) -> float:
        """Share of the training scenes that lie at least as far, 0..1: 1 at no distance.

        Linear between the scenes; beyond the farthest it falls with the distance, so that there, too, farther is less.
        NaN for NaN.
        """
        count, farthest = len(self.scene_distances), float(self.scene_distances[-1])
        if distance > farthest:
            return farthest / distance / (count + 1)
        shares = 1 - np.arange(count + 1) / (count + 1)
        return float(np.interp(distance, [0.0, *self.scene_distances], shares))

    def of_image(self, network: EncodingNetwork, rgb: np.ndarray, valid: np.ndarray) -> float:
        """Familiarity of an image or a block, told from windows spread over it.

        Parameters
        ----------
        network : the network that the description comes with
        rgb : (h, w, 3) uint8
        valid : (h, w) bool

        Returns
        -------
        share of the training scenes that are at most as familiar, 0..1; NaN where no window is covered by imagery
        """
        places = places_of_windows(valid, self.window_px, WINDOWS_ALONG)
        if not places:
            return float("nan")
        windows = np.stack([rgb[place] for place in places]), np.stack([valid[place] for place in places])
        return self.share(float(self.normal.distances(window_features(network, *windows)).mean()))


def describe_windows(window_px: int, scenes: Sequence[np.ndarray]) -> Familiarity | None:
    """The description of training windows; None of fewer than ``FEWEST_SCENES`` scenes with windows, or if all look the same.

    Parameters
    ----------
    window_px : edge of the windows, pixels
    scenes : features (n, c) of the windows of each scene; scenes without windows do not count
    """
    scenes = [features for features in scenes if len(features)]
    if len(scenes) < FEWEST_SCENES:
        return None
    parts = min(len(scenes), MOST_PARTS)
    distances = []
    for part in range(parts):
        others = fitted_normal(np.vstack([f for i, f in enumerate(scenes) if i % parts != part]))
        distances += [float(others.distances(f).mean()) for f in scenes[part::parts]]
    normal = fitted_normal(np.vstack(scenes))
    if not len(normal.deviations):
        return None
    kept = np.sort(distances)
    if len(kept) > MOST_DISTANCES:
        kept = np.quantile(kept, np.linspace(0, 1, MOST_DISTANCES))
    return Familiarity(window_px, normal, kept)


def fitted_normal(features: np.ndarray, most: int = MOST_COMPONENTS) -> Normal:
    """The distribution of windows with features (n, c): at most ``most`` principal components."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + _SMALLEST_SPREAD
    standardised = (features - mean) / spread
    _, singular, components = np.linalg.svd(standardised, full_matrices=False)
    count = min(most, int((singular > _SMALLEST_SPREAD * singular[0]).sum()))
    variances = shrunk_variances(standardised, singular**2 / len(features))
    rest = np.sqrt(max(float(variances[count:].mean()), _SMALLEST_SPREAD)) if len(variances) > count else 1.0
    # The sign of a component is arbitrary; distances do not depend on it.
    return Normal(mean, spread, components[:count], np.sqrt(variances[:count]), rest)


def shrunk_variances(centred: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Eigenvalues (c,) of the covariance of centred features (n, c), moved towards their mean by the share of Ledoit and Wolf.

    ``variances`` (at most c) are its eigenvalues, largest first; those that are left out are zero. The share is 1 where noise
    explains all differences.
    """
    n, c = centred.shape
    mean = variances.sum() / c
    squares = (variances**2).sum()
    differences = squares - c * mean**2
    noise = ((centred**2).sum(axis=1) ** 2).sum() / n**2 - squares / n
    share = min(noise / differences, 1.0) if differences > 0 else 1.0
    return np.asarray(share * mean + (1 - share) * np.pad(variances, (0, c - len(variances))))
