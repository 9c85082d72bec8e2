"""What `benchmarks.change` found, as a section of a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAIN, OURS = "plain difference of the maps", "change"
LARGER = "the larger of both sources alone decides on the core"
FOUND, TRUE = "fields found in the maps", "true parcels as fields"
DRAWN = ", drawn maps"
ONLY_IMAGERY = "only imagery changed"
INCLUDED, TAUGHT = "included model", "taught network"
"""Keys of what the networks learned; of the one taught on such land in another country, where one was given, also of its figures."""
SHIFTS = "shift measured, px eastwards and southwards, agreement"
MOST_ERROR = 0.5
"""Goal: the error of a map of change as a share of that of the plain difference."""


def section(found: Mapping[str, Any]) -> str:
    """The figures in tables and sentences.

    Parameters
    ----------
    found : what the benchmark writes as JSON
    """
    gain, loss = (found[f"{kind} iou, all"] for kind in ("gain", "loss"))
    unchanged = found[ONLY_IMAGERY]
    share = found["changed share"]
    rules = [name for name in gain if not name.endswith(DRAWN)]
    taught = found.get(TAUGHT)
    of_taught = [taught[f"{kind} iou, all"] for kind in ("gain", "loss")] if taught else None
    rows = [
        (gain, loss, DRAWN, "drawn from the truth, with margins off by a pixel, specks and the shift"),
        (gain, loss, "", f"made by the included model `landscape`, which learned at {_pixels(found[INCLUDED])}"),
    ]
    if taught and of_taught:
        taught_maps = (
            f"made by a {taught['architecture']} taught on such land elsewhere, {taught['scenes']} scenes, {taught['steps']} steps, "
            f"at {_pixels(taught)}"
        )
        rows.append((*of_taught, "", taught_maps))
    lines = [
        f"Measured on {found['date']} by `python -m benchmarks.change` on the **synthetic** country, whose truth is known in both years: "
        f"in {found['years']} years towns and villages grow, fields are merged, orchards are planted and grubbed up, grassland is "
        f"ploughed. {found['places']} places of about a square kilometre, of which {100 * share['gain']:.1f} % truly became cropland and "
        f"{100 * share['loss']:.1f} % no longer are, at {found['pixel_m']:.1f} m a pixel. All imagery is of other days in the later year, and that of one source lies "
        f"3 px off in every other row of blocks. IoU with the true change, over all pixels:",
        "",
        f"| maps | gain: {PLAIN} | gain: change | loss: {PLAIN} | loss: change |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {maps} | {a[PLAIN + of]:.3f} | {a[OURS + of]:.3f} | {b[PLAIN + of]:.3f} | {b[OURS + of]:.3f} |"
            for a, b, of, maps in rows
        ),
        "",
        f"The error (1 - IoU) should be at most {100 * MOST_ERROR:.0f} % of that of the plain difference. Of drawn maps it is "
        f"{_error(gain, DRAWN)} for gain and {_error(loss, DRAWN)} for loss, of the model's maps {_error(gain, '')} and {_error(loss, '')}"
        + (
            f", of the taught network's maps {_error(of_taught[0], '')} and {_error(of_taught[1], '')}."
            if of_taught
            else "."
        ),
        "",
        f"Where only the imagery changed, {100 * unchanged[PLAIN]:.1f} % of the land differ between the model's two maps, and "
        f"{100 * unchanged[OURS]:.2f} % are called change"
        + (f"; of the taught network's {_of_taught(taught)}." if taught else "."),
        "",
        "Other rules, tried on the same maps:",
        "",
        "| rule | gain | loss | called change where only the imagery is another | gain, drawn maps | loss, drawn maps |"
        + (" gain, taught network | loss, taught network |" if of_taught else ""),
        "|---|---:|---:|---:|---:|---:|" + ("---:|---:|" if of_taught else ""),
        *(
            f"| {name} | {gain[name]:.3f} | {loss[name]:.3f} | {100 * unchanged[name]:.2f} % | {gain[name + DRAWN]:.3f} | "
            f"{loss[name + DRAWN]:.3f} |"
            + (f" {of_taught[0][name]:.3f} | {of_taught[1][name]:.3f} |" if of_taught else "")
            for name in rules
        ),
        "",
        *_shifts(found),
        "",
        *_intervals(found["intervals"]),
    ]
    return "\n".join(lines)


def _pixels(learned: Mapping[str, Any]) -> str:
    low, high = learned["pixel_m"]
    return f"{low:g} to {high:g} m a pixel"


def _of_taught(taught: Mapping[str, Any]) -> str:
    plain, ours = (100 * taught[ONLY_IMAGERY][name] for name in (PLAIN, OURS))
    return f"{plain:.1f} % and {ours:.2f} %"


def _error(iou: Mapping[str, float], of: str) -> str:
    return f"{100 * (1 - iou[OURS + of]) / (1 - iou[PLAIN + of]):.0f} %"


def _shifts(found: Mapping[str, Any]) -> list[str]:
    """How well the shift of the second source was measured, and what was measured where there was none."""
    first, second = found[SHIFTS].values()
    moved = [(*m, by) for m, by in zip(second, found["shifted"], strict=True) if by]
    still = [*first, *(m for m, by in zip(second, found["shifted"], strict=True) if not by)]
    off = max(max(abs(east - by), abs(south)) for east, south, _, by in moved)
    days = max(max(abs(east), abs(south)) for east, south, _ in still)
    least = min(agreement for *_, agreement, by in moved)
    return [
        f"The shift was measured within {off:.1f} px at the {len(moved)} places that had it, with at least {100 * least:.0f} % of the "
        f"windows in agreement. Where nothing was shifted, up to {days:.1f} px were measured between the days."
    ]


def _intervals(intervals: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """How many intervals hold the true area."""
    any_class = next(iter(intervals.values()))
    held = ", ".join(f"of {name} in {found['hold the truth']}" for name, found in intervals.items())
    return [
        f"Of the intervals (95 %) from {any_class['samples']} samples of {any_class['points']} points, these hold the true area: {held}."
    ]
