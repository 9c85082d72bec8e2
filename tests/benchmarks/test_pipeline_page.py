"""The tables of whole runs."""

from __future__ import annotations

import pytest

from benchmarks import pipeline_page
from benchmarks.pipeline_page import cpu_by_row, limits, page, ratios, row_of

RUN = {
    "wall_s": 50.0, "cpu_s": 60.0, "cpu_s_of_kinds": {"client": 12.0, "block process": 48.0}, "peak_mb": {"client": 300},
    "steps": {
        "start": {"wall_s": 2.0, "cpu_s": {"client": 2.0}},
        "assess": {"wall_s": 0.5, "cpu_s": {"block process": 1.2}},
        "describe": {"wall_s": 0.5, "cpu_s": {"block process": 0.4}},
        "compare": {"wall_s": 0.5, "cpu_s": {"block process": 0.4}},
        "report": {"wall_s": 9.0, "cpu_s": {"client": 8.0}},
        "mosaic": {"wall_s": 4.0, "cpu_s": {"client": 1.0, "block process": 7.0}},
        "segment": {"wall_s": 20.0, "cpu_s": {"block process": 40.0}},
        "judge": {"wall_s": 1.0, "cpu_s": {"client": 1.0}},
        "unit_table_1": {"wall_s": 1.0, "cpu_s": {"client": 2.0}},
        "export_110000": {"wall_s": 1.0, "cpu_s": {"client": 3.0}},
        "export_120000": {"wall_s": 1.0, "cpu_s": {"client": 4.0}},
    },
}  # fmt: skip
SCRIPT = {
    "wall_s": 100.0, "cpu_s": 180.0, "cpu_s_of_kinds": {"client": 180.0}, "peak_mb": {"client": 900},
    "step_cpu_s": {"mosaic": 80.0, "segment": 100.0}, "step_wall_s": {"mosaic": 40.0, "segment": 50.0},
}  # fmt: skip
FOUND = {
    "blocks": 4, "sources": 2, "model": "a_model", "date": "2026-01-01", "machine": "a machine", "cores": 2, "load": 0.1,
    "runs": {"torch": RUN, "cold": RUN, "script": SCRIPT, "again": RUN}, "kernels": {"torch": {"mosaic": 0.5, "segment": 9.0}},
}  # fmt: skip


def test_steps_of_units_and_tables_share_a_row():
    assert [row_of(s) for s in ("aggregate_1", "export_110000", "unit_table_1", "levels", "report", "end")] == [
        "aggregate", "export", "tables", "tables", "report", "end",
    ]  # fmt: skip
    assert cpu_by_row(RUN) == pytest.approx(
        {"start": 2, "assess": 1.2, "describe": 0.4, "compare": 0.4, "report": 8, "mosaic": 8, "segment": 40, "tables": 3,
         "export": 7}
    )  # fmt: skip


def test_imports_for_all_block_processes_are_of_the_start():
    steps = {
        **RUN["steps"],
        "mosaic": {"wall_s": 4.0, "cpu_s": {"client": 1.0, "block process": 7.0, "fork server": 2.5}},
    }
    rows = cpu_by_row({**RUN, "steps": steps})
    assert rows["start"] == 4.5 and rows["mosaic"] == 8 and sum(rows.values()) == sum(cpu_by_row(RUN).values()) + 2.5


def test_limits_are_of_a_block_and_source_or_of_the_run():
    found = {name.split(",")[0]: value for name, value, _ in limits(FOUND)}
    assert found["mosaic"] == 1 and found["assess and describe"] == pytest.approx(0.2)
    assert found["report"] == 9 and found["what a first run takes more"] == 0 and "aggregate" not in found


def test_ratios_are_the_script_over_the_run():
    found = {name: ratio for name, ratio, _ in ratios(FOUND)}
    assert found["CPU of the steps over blocks, without segment"] == pytest.approx(80 / 10)
    assert found["CPU of everything but segment, with start, report and export"] == 80 / 20
    assert found["CPU in all, with torch"] == 3 and found["wall time, with torch"] == 2


@pytest.mark.parametrize("part", pipeline_page.PART_TITLES)
def test_a_step_far_above_its_kernels_says_why(part: str, monkeypatch):
    monkeypatch.setattr(pipeline_page, "WHY", {"mosaic": "it writes durably", "segment": "never shown"})
    text = page({part: FOUND})
    (mosaic,) = (line for line in text.splitlines() if line.startswith("| mosaic") and "durably" in line)
    assert mosaic == "| mosaic | 20 | 2 | 2 | 10 | 0.5 | 4 | it writes durably |"
    assert "never shown" not in text and "included model `a_model`" in text and "Other work" not in text
