"""Tiles, clicks and memory of the map in the browser: ``python -m benchmarks.view``.

``nation`` has 383,266 blocks of 32 px with overviews of one pixel a block, a block table of 100 columns and 3,000 units, but pixels
in some blocks only; ``fine`` has 25 blocks of 2,560 px, all of them whole. Both are synthetic. The server is the real command.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import psutil
import requests
import shapely

from benchmarks.nation_run import CHINA
from croplayer.cube.overviews import level_cubes, write_block_overviews, write_square_overviews
from croplayer.cube.whole_blocks import Cube
from croplayer.measures.overviews import Overview
from croplayer.viewer.mercator import tiles_over
from stores.block_list import BlockList
from stores.columns import CROPLAND_PROBABILITY
from stores.cube import CUBE
from stores.durable import DurableStore, digest_bytes
from stores.fingerprints import fingerprint_of
from stores.grid import BlockGrid, BlockIndex, BlockRange, Bounds
from stores.ledger import Ledger
from stores.legends import NEVER_PROCESSED
from stores.levels import SQUARE_BLOCKS, squares_of
from stores.overviews import create_overviews
from stores.records import BlockRecord
from stores.run_folder import RunFolder
from stores.step_memory import OVERVIEWS, SQUARES, STEPS_OF_CUBE, BlocksDone

EDITION, SOURCES = "2020", ("a", "b")
NATION_BLOCKS, NATION_PX, FINE_PX = 383_266, 32, 2560
FINE = BlockRange(1100, 5880, 5, 5)
TILES_OF_ZOOM, AT_ONCE = 12, 50
COUNTY_DEG = 0.5
"""Edge of what stands for a county: 100 blocks of 0.05 degrees."""
MADE_OF = {"settings": "of the benchmark"}


def make_cube(folder: Path, block_px: int, blocks: BlockRange) -> Cube:
    """An empty cube with overviews."""
    store = DurableStore(folder / "cube.zarr")
    CUBE.create(store, EDITION, BlockGrid(block_px), blocks, SOURCES)
    create_overviews(store, EDITION, BlockGrid(block_px), blocks, SOURCES)
    (folder / "recipe.toml").write_text(f'name = "{folder.name}"\ntitle = "{folder.name}"\nedition = "{EDITION}"\n')
    return Cube.open(folder / "cube.zarr")


def draw_block(cube: Cube, block: BlockIndex) -> None:
    """Fields of some hundred metres, with noise in the imagery and the scores."""
    px, rng = cube.grid.block_px, np.random.default_rng(block.row * 7200 + block.col)
    cell = max(px // 40, 1)
    kinds = rng.random((-(-px // cell), -(-px // cell)))
    fields = np.kron(kinds, np.ones((cell, cell)))[:px, :px]
    mask = (fields > 0.4).astype(np.uint8)
    cube.write_block("croplayer", block, mask)
    for source in cube.sources:
        noise = rng.integers(0, 24, (px, px, 3), np.uint8)
        cube.write_block("rgb", block, (fields[..., None] * (90, 160, 60)).astype(np.uint8) + noise, source)
        cube.write_block("imagery_valid", block, np.ones((px, px), bool), source)
        cube.write_block("cropland", block, mask, source)
        score = np.clip(fields * 220 + rng.normal(0, 8, (px, px)), 0, 250).astype(np.uint8)
        cube.write_block(CROPLAND_PROBABILITY, block, score, source)
    write_block_overviews(cube, block)


def make_fine(folder: Path) -> Bounds:
    """A few large blocks; no ledgers."""
    cube = make_cube(folder, FINE_PX, FINE)
    blocks = BlockList.rectangle(FINE.row, FINE.col, FINE.rows, FINE.cols)
    for block in blocks:
        draw_block(cube, block)
    for square in squares_of(blocks):
        write_square_overviews(cube, square, blocks)
    return cube.grid.window_bounds(FINE.window(cube.grid))


def make_nation(folder: Path) -> Bounds:
    """A nation in rows as wide as China, whose ledgers call every block finished."""
    cube = make_cube(folder, NATION_PX, CHINA)
    rows, cols = np.divmod(np.arange(NATION_BLOCKS, dtype=np.int32), np.int32(CHINA.cols))
    rows, cols = rows + CHINA.row, cols + CHINA.col
    blocks = BlockList.of(BlockIndex(int(r), int(c)) for r, c in zip(rows, cols, strict=True))
    some = [b for b in blocks if abs(b.row - rows[-1] // 2 - CHINA.row // 2) < 16 and abs(b.col - CHINA.col - 600) < 16]
    for block in some:
        draw_block(cube, block)
    coarse = level_cubes(cube)[-1]
    for square in squares_of(blocks):
        window = coarse.cube.grid.window(square)
        draw_square(coarse, window._replace(height=SQUARE_BLOCKS, width=SQUARE_BLOCKS), int(rows[-1]))
    _write_tables(folder, rows, cols)
    _write_ledgers(RunFolder(folder), blocks, squares_of(blocks))
    return Bounds(*cube.grid.window_bounds(CHINA.window(cube.grid)))


def draw_square(coarse: Any, window: Any, last_row: int) -> None:
    """One pixel for each block of a square; nothing south of the nation."""
    y, x = np.mgrid[window.row : window.row_stop, window.col : window.col_stop]
    share = (125 + 120 * np.sin(y / 17) * np.cos(x / 23)).astype(np.uint8)
    share, known = (
        np.where(y <= last_row, share, np.uint8(NEVER_PROCESSED)),
        np.where(y <= last_row, 250, 0).astype(np.uint8),
    )
    rgb = np.stack([share // 2 + 40, share // 3 + 90, share // 4 + 40], axis=-1)
    maps = (1 + len(SOURCES), 1, 1)
    coarse.write(Overview(np.tile(share, maps), np.tile(known, maps), np.tile(rgb, (len(SOURCES), 1, 1, 1))), window)


def _write_ledgers(folder: RunFolder, blocks: BlockList, squares: BlockList) -> None:
    """Finished steps, whose records name a file of the first block alone: five million files take hours to make."""
    fingerprint, here = fingerprint_of(MADE_OF), folder.own_cube
    for step in (*STEPS_OF_CUBE, OVERVIEWS, SQUARES):
        done = squares if step == SQUARES else blocks
        records = [BlockRecord(block, seconds=0.01) for block in done]
        key = f"{EDITION}/zarr.json"
        records[0] = BlockRecord(done[0], files={key: digest_bytes((here / key).read_bytes())}, seconds=0.01)
        Ledger(folder.ledger(step)).append(fingerprint, records)
        folder.memory.finish(step, fingerprint, BlocksDone(len(done), folder.ledger(step)))
    folder.memory.end()


def _write_tables(folder: Path, rows: np.ndarray, cols: np.ndarray) -> None:
    rng, n = np.random.default_rng(0), len(rows)
    table: dict[str, Any] = {"block": [BlockIndex(int(r), int(c)).name for r, c in zip(rows, cols, strict=True)]}
    table |= {"row": rows, "col": cols, "slope_deg": rng.random(n)}
    for source in SOURCES:
        table[f"coverage_type_{source}"] = rng.choice(["Planting", "Cloudy", "Non-planting"], n)
        table[f"correctness_{source}"] = rng.choice(["TP", "TN", "FP"], n)
        table[f"familiarity_{source}"] = rng.random(n)
    table["integration_label"] = rng.choice(["Only A", "Only B", "Merge both"], n)
    for name in ("croplayer", *(f"p{i}" for i in range(8))):
        table[f"area_fraction_{name}"] = rng.random(n)
    table |= {f"x{i}": rng.random(n).astype(np.float32) for i in range(80)}
    pd.DataFrame(table).to_parquet(folder / "blocks.parquet")
    _, south, east, north = (float(v) for v in BlockGrid(NATION_PX).window_bounds(CHINA.window(BlockGrid(NATION_PX))))
    west = -180 + CHINA.col / 20
    xs, ys = np.linspace(west, east, 61), np.linspace(south, north, 51)
    circle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    shapes = [
        shapely.box(a, c, b, d).union(shapely.Polygon(np.c_[(a + b) / 2 + np.cos(circle) / 9, (c + d) / 2 + np.sin(circle) / 9]))
        for a, b in itertools.pairwise(xs)
        for c, d in itertools.pairwise(ys)
    ]  # fmt: skip
    units = {"adcode": [f"{i:06d}" for i in range(len(shapes))], "name_en": [f"County {i}" for i in range(len(shapes))]}
    units |= {"name_zh": ["县"] * len(shapes), "level": [2] * len(shapes)}
    gpd.GeoDataFrame(units, geometry=shapes, crs="EPSG:4326").to_parquet(folder / "boundaries.parquet")


@contextmanager
def served(run: Path) -> Iterator[tuple[str, int, float]]:
    """Address, process and seconds until the page can be opened."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", "view", str(run)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        address = process.stdout.readline().split()[1]
        yield address, process.pid, time.perf_counter() - start
        process.terminate()
        process.wait(60)


def measure(run: Path, box: Bounds, keys: tuple[str, ...]) -> dict[str, Any]:
    """Tiles of each layer and zoom: their number, the milliseconds of CPU of one that was never asked for, the median and largest
    milliseconds until it came, and the median when it is asked for again. Megabytes at most."""
    with served(run) as (address, process, opened), requests.Session() as session:
        about = session.get(f"{address}about.json").json()
        server = psutil.Process(process)
        found: dict[str, Any] = {"open_s": opened, "open_cpu_s": sum(server.cpu_times()[:2])}

        def ms(path: str) -> float:
            start = time.perf_counter()
            answer = session.get(address + path)
            assert answer.status_code == 200, path
            return 1000 * (time.perf_counter() - start)

        found["first_view_ms"] = sum(ms(path) for path in _paths(keys[:1], about["least_zoom"] + 1, box))
        found["ready_ms"] = sum(ms(path) for path in _paths(keys, about["most_zoom"] - 3, box))  # waits for the ledgers
        many: list[str] = []
        for zoom in range(about["least_zoom"], about["most_zoom"] - 2):
            for key in keys:
                paths = list(_paths((key,), zoom, box))
                many += paths
                before = sum(server.cpu_times()[:2])
                cold = [ms(path) for path in paths]
                cpu = 1000 * (sum(server.cpu_times()[:2]) - before) / max(len(paths), 1)
                again = [ms(path) for path in paths]
                figures = cpu, statistics.median(cold), max(cold), statistics.median(again)
                found[f"{key} {zoom}"] = [len(paths), *(round(value, 1) for value in figures)]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            spread = [p for p in _paths(keys, about["most_zoom"] - 4, box, 4 * AT_ONCE) if p not in many][:AT_ONCE]
            start, before = time.perf_counter(), sum(server.cpu_times()[:2])
            each = list(threads.map(lambda path: requests.get(address + path).elapsed.total_seconds(), spread))
            found["at_once_cpu_s"] = sum(server.cpu_times()[:2]) - before
            found["at_once"] = [len(each), round(1000 * (time.perf_counter() - start)), round(1000 * max(each))]
        lon, lat = (box.west + box.east) / 2, (box.south + box.north) / 2
        found["click_ms"] = ms(f"at.json?lon={lon}&lat={lat}")
        found["units_ms"] = ms("units.json")
        found["outlines_ms"] = sum(ms(f"outlines/{level}.json") for level in about["levels"])
        said = Path(f"/proc/{process}/status").read_text()
        found["peak_mb"] = int(said.split("VmHWM:")[1].split()[0]) / 1024
        return found


def drawn(run: Path, box: Bounds) -> dict[str, float]:
    """Wall seconds of `cube.crop.plot()`, each in a Python of its own after its imports: the whole box, and a county in it."""
    lon, lat = (box.west + box.east) / 2, (box.south + box.north) / 2
    county = Bounds(lon - COUNTY_DEG / 2, lat - COUNTY_DEG / 2, lon + COUNTY_DEG / 2, lat + COUNTY_DEG / 2)
    code = (
        "import sys, time, json; import croplayer, matplotlib; matplotlib.use('agg'); import matplotlib.pyplot; croplayer.open_cube\n"
        "box = json.loads(sys.argv[2]); begun = time.perf_counter()\n"
        "axes = croplayer.open_cube(sys.argv[1], region=box).crop.plot(); opened = time.perf_counter()\n"
        "axes.figure.savefig(sys.argv[3]); print(opened - begun, time.perf_counter() - begun)"
    )
    found = {}
    for name, region in (("whole", box), ("county", county)):
        command = [sys.executable, "-c", code, str(run), json.dumps(list(region)), str(run / f"{name}.png")]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[f"{name} plotted, s"], found[f"{name} plotted and saved, s"] = map(float, done.stdout.split())
    return found


def _paths(keys: tuple[str, ...], zoom: int, box: Bounds, most: int = TILES_OF_ZOOM) -> Iterator[str]:
    """Some tiles of a zoom around the middle of a box."""
    xs, ys = tiles_over(box, zoom)
    tiles = sorted(((x, y) for x in xs for y in ys), key=lambda t: abs(t[0] - np.mean(xs)) + abs(t[1] - np.mean(ys)))
    yield from (f"tiles/{key}/{zoom}/{x}/{y}.png" for x, y in tiles[: max(most // len(keys), 1)] for key in keys)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--work", type=Path, help="folder of the synthetic runs, which are kept; default a temporary one"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        for name, make, keys in (
            ("fine", make_fine, ("map", "imagery-0", "probability-0")),
            ("nation", make_nation, ("map", "imagery-0", "share", "integration")),
        ):
            marker = work / name / "box.json"
            if not marker.is_file():
                (work / name).mkdir(parents=True, exist_ok=True)
                marker.write_text(json.dumps(list(make(work / name))))
            box = Bounds(*json.loads(marker.read_text()))
            print(
                json.dumps({"run": name, **drawn(work / name, box), **measure(work / name, box, keys)}, indent=1),
                flush=True,
            )


if __name__ == "__main__":
    main()
