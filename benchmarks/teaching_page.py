"""Tables of label projects for a page of the documentation: what each round gave, from the record of the project itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd

from croplayer.active.rounds.folder import ROUNDS
from croplayer.active.rounds.settings import SETTINGS_FILE, RoundSettings, read_settings

HEAD = (
    "| round | province | squares that teach | held-out squares | `keep` | model before | model of the round |\n"
    "|---|---|---|---|---|---|---|"
)


def record_table(project: Path) -> str:
    """Every round of a label project by province: IoU on the held-out labels in per cent, with the interval where there is one.

    Each model is judged on the same labels as the one before.
    """
    lines = [HEAD]
    for row in pd.read_parquet(project / "rounds.parquet").sort_values(["round", "name"]).itertuples():
        teach = row.labels_new + row.labels_old
        now = f"{_percent(row.iou)}{_interval(row.iou_low, row.iou_high)}"
        cells = [
            row.round,
            row.name or "all",
            teach,
            row.labels_measuring,
            _kept(project, row.round),
            _percent(row.iou_before),
            now,
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def changed_settings(project: Path) -> str:
    """The settings of rounds that are not the defaults, as `rounds.toml` names them, but for `keep`; empty for none."""
    settings, default = read_settings(project / SETTINGS_FILE), RoundSettings()
    changed = [
        f"`{key}` {value:g}"
        for part in dataclasses.fields(default)
        for key, value in vars(getattr(settings, part.name)).items()
        if key != "keep" and value != getattr(getattr(default, part.name), key)
    ]
    return ", ".join(changed)


def section(told: dict[str, Any], project: Path, records: dict[str, Path]) -> str:
    """What the benchmark found in the synthetic country, and the records of other label projects by the names of their land."""
    parts = [
        _titled(f"**Synthetic country {told['seed']}**", project),
        record_table(project),
        _by_truth(told["rounds"]),
        _proved(told),
    ]
    for name, folder in records.items():
        parts += [_titled(f"**{name}**", folder), record_table(folder)]
    return "\n\n".join(parts)


def _kept(project: Path, number: int) -> str:
    """The weight of keeping the map before that a round was made with."""
    return f"{read_settings(project / ROUNDS / f'{number:02d}' / SETTINGS_FILE).learning.keep:g}"


def _titled(name: str, project: Path) -> str:
    changed = changed_settings(project)
    return f"{name}, {f'with the settings {changed}' if changed else 'with all settings as they are'}:"


def _by_truth(rounds: list[dict[str, Any]]) -> str:
    """What the truth says of the masks of all held-out blocks of the sample."""
    found = [f"{_percent(each['true_iou_of_held_out_blocks'])} after round {each['round']}" for each in rounds[1:]]
    first = _percent(rounds[0]["true_iou_of_held_out_blocks"])
    return f"By the truth of every pixel of the imagery that the map takes in the held-out blocks of the sample, the IoU was {first} before, {', '.join(found)}."


def _proved(told: dict[str, Any]) -> str:
    killed = [value for name, value in told.items() if name.startswith("killed in round")]
    lost = sum(sum(each.get("lost", {}).values()) for each in killed)
    again = told["made again"]
    same = sum("same bytes" in line for line in again)
    return (
        f"The page's server was killed in {len(killed)} rounds; {lost or 'none'} of the labels and judgements {'were' if lost else 'was'} "
        f"lost. A second person who had a copy of the folder made {len(again)} of the rounds again, {same} to the same bytes."
    )


def _percent(value: float | None) -> str:
    return "not known" if value is None or pd.isna(value) else f"{100 * value:.1f}"


def _interval(low: float, high: float) -> str:
    return "" if pd.isna(low) or pd.isna(high) else f" ({100 * low:.1f} to {100 * high:.1f})"
