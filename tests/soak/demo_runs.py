"""The demo's map made again in other ways, its files held byte by byte against those of a finished run."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from shared.dask_processes import environment
from shared.run_files import digests
from shared.tile_server import EVERY_FAULT, PLACEHOLDER

from benchmarks.processes import BLOCK_PROCESS, watch
from croplayer.landscape.server import TileServer, serve
from croplayer.landscape.sources import SOURCES
from pipelines.recipe_files import RECIPES

STOP_AFTER_S = 25.0


class Variant(NamedTuple):
    """A way to run."""

    name: str
    workers: int = 2
    threads: int = 1
    """Of the numerical libraries in every process."""
    is_stopped: bool = False
    """Whether it is told to stop half-way and run again."""


VARIANTS = (
    Variant("1 worker", workers=1),
    Variant("4 workers", workers=4),
    Variant("2 threads", threads=2),
    Variant("stopped and continued", is_stopped=True),
)


def differing_files(finished: Path, work: Path, variant: Variant) -> int:
    """Files of the demo, run in another way, that are not those of the finished run."""
    out = work / variant.name.replace(" ", "_")
    shutil.copytree(finished / "country", out / "country")
    threads = {f"{library}_NUM_THREADS": str(variant.threads) for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
    command = ["run", "demo", "-o", str(out), "--workers", str(variant.workers)]
    if variant.is_stopped:
        run = _started(command, threads)
        try:
            run.wait(STOP_AFTER_S)
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGTERM)
            run.wait()
    run = _started(command, threads)
    if run.wait() != 0:
        raise RuntimeError(f"the demo with {variant.name} ended with {run.returncode}")
    expected, found = digests(finished), digests(out)
    return sum(expected.get(name) != found.get(name) for name in expected.keys() | found.keys())


class FireCounts(NamedTuple):
    """What came of a provider that fails."""

    files: int
    differing: int
    """Files of imagery that are not those made from a folder."""
    requests: int
    extra_mb: float
    """Memory of the process that reads tiles, above that with a healthy provider."""


def mosaic_under_fire(finished: Path, work: Path) -> FireCounts:
    """The demo's imagery over HTTP from a healthy server and from one where 30 % of the tiles fail in ten ways."""
    expected = _imagery(finished)
    peaks, asked = [], 0
    for name, faults in (("healthy", ()), ("failing", EVERY_FAULT)):
        out = work / name
        out.mkdir()
        with serve(finished / "country/tiles", retry_after_s=1, hang_s=3.0, drip_s=0.02) as server:
            server.switch(*faults)
            recipe = out / "demo.toml"
            recipe.write_text(_over_http(finished, server), encoding="utf-8")
            run = _started(["mosaic", str(recipe), "-o", str(out), "--workers", "1"], {})
            peaks.append(watch(run).peak_mb[BLOCK_PROCESS])
            asked = server.requests.total()
        if run.returncode:
            raise RuntimeError(f"the mosaic from the {name} server ended with {run.returncode}")
    found = _imagery(work / "failing")
    differing = sum(expected.get(key) != found.get(key) for key in expected.keys() | found.keys())
    return FireCounts(len(expected), differing, asked, max(0.0, peaks[1] - peaks[0]))


def _imagery(out: Path) -> dict[str, str]:
    return {name: digest for name, digest in digests(out).items() if "/rgb/" in name or "/imagery_valid/" in name}


def _over_http(finished: Path, server: TileServer) -> str:
    text = (RECIPES / "demo.toml").read_text(encoding="utf-8")
    for source in SOURCES:
        folder = f'kind = "tiles"\ntemplate = "$OUT/country/tiles/{source}/{{z}}/{{x}}/{{y}}.jpg"'
        assert folder in text
        patient = f'deadline_s = 1.0\nrequests_per_s = 2000.0\nplaceholders = ["{PLACEHOLDER}"]\nprivate_network = true'
        address = f'kind = "http"\ntemplate = "{server.url(source)}"\ni_have_rights = true\n{patient}'
        text = text.replace(folder, address)
    return text.replace("$OUT/country", str(finished / "country"))


def _started(command: list[str], variables: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", *command], env=environment(variables), stdout=subprocess.DEVNULL
    )
