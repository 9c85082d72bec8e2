"""The curve of a training run as JSON and as a picture, and the reliability of its probabilities as a picture."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

CURVE_NAME = "training.json"
CURVE_PICTURE = "training.png"
RELIABILITY_PICTURE = "reliability.png"
SMOOTHED_RECORDS = 25
"""Records of the curve that its running mean is over."""

EACH_STEP = "each step"


def curve_json(history: Sequence[dict[str, float]]) -> bytes:
    """JSON with one record per step that was kept: step, loss, learning_rate and, where it was evaluated, stopping_iou."""
    return (json.dumps(list(history)) + "\n").encode()


def curve_picture(history: Sequence[dict[str, float]]) -> bytes:
    """PNG of the loss by step, its running mean and, if there are stopping scenes, their IoU.

    The legend says of which steps there are records.
    """
    from matplotlib.figure import Figure

    steps, losses = np.array([h["step"] for h in history]), np.array([h["loss"] for h in history])
    figure = Figure(figsize=(6, 3), dpi=100, layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss")
    told = _steps_words(steps)
    axes.plot(steps, losses, color="0.8", linewidth=0.7, label=told)
    n = min(SMOOTHED_RECORDS, len(losses))
    smooth = np.convolve(losses, np.full(n, 1 / n), mode="valid")
    axes.plot(steps[n - 1 :], smooth, color="C0", label=f"mean of {n} {'steps' if told == EACH_STEP else 'of these'}")
    looks = [(h["step"], h["stopping_iou"]) for h in history if "stopping_iou" in h]
    if looks:
        right = axes.twinx()
        right.set_ylabel("IoU of the stopping scenes")
        right.plot(*zip(*looks, strict=True), color="C1", marker="o", markersize=3)
    axes.legend(loc="upper right", frameon=False)
    return _png(figure)


def _steps_words(steps: np.ndarray) -> str:
    """Which steps of a training the records of a curve are of."""
    apart = {*np.diff(steps).tolist()} or {1}
    if len(apart) > 1:
        return f"{len(steps)} of {steps[-1]} steps"
    every = min(apart)
    return EACH_STEP if every == 1 else f"one step in {every}"


def reliability_picture(calibration: Mapping[str, Any]) -> bytes:
    """PNG of the share of field by stated probability, beside the line on which a model is right about itself.

    ``calibration`` is what ``calibration_figures`` gives; points are as large as their share of the pixels.
    """
    from matplotlib.figure import Figure

    rows = calibration["reliability"]
    said, found, pixels = (np.array([row[key] for row in rows]) for key in ("probability", "field", "pixels"))
    figure = Figure(figsize=(4, 4), dpi=100, layout="constrained")
    axes = figure.add_subplot(
        xlabel="stated probability of cropland", ylabel="share of pixels in a field", aspect="equal"
    )
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    axes.plot(said, found, color="C0", linewidth=1)
    axes.scatter(said, found, s=15 + 300 * pixels / max(pixels.sum(), 1), color="C0", alpha=0.6, linewidths=0)
    errors = [error for error in calibration["expected_error"] if error is not None]
    if errors:
        title = f"temperature {calibration['temperature']:g}, expected error at most {max(errors):.3f}"
        axes.set_title(title, fontsize=9)
    return _png(figure)


def _png(figure: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    written = io.BytesIO()
    FigureCanvasAgg(figure).print_png(written)
    return written.getvalue()
