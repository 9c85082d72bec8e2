"""Check whether this machine, a folder, a bucket or a recipe is fit for a run: one finding per check."""

from __future__ import annotations

import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from croplayer.sources.addresses import http_address, local_path
from pipelines.extras import missing_package
from pipelines.recipe import Recipe
from pipelines.recipe_data import needs_of
from pipelines.recipe_files import find_recipe, load_recipe
from pipelines.recipe_sources import HttpSource
from stores.durable import write_durable
from stores.extras import how_to_install
from stores.places import bucket_of, check_place, is_remote

LEAST_FREE_GB = 2.0
SLOWEST_FSYNC_MS = 250.0
NEEDED = ("numpy", "numba", "zarr", "xarray", "dask", "rasterio", "geopandas", "torch", "transformers", "xgboost-cpu")


class Finding(NamedTuple):
    """A check and its outcome."""

    name: str
    is_fine: bool
    sentence: str


def examine(target: str | None, folder: Path) -> Iterator[Finding]:
    """Findings about the machine, and about a recipe or the address of a bucket when one is given."""
    for name, look in (
        ("python", _python),
        ("libraries", _libraries),
        ("threads", _threads),
        ("runtimes", _runtimes),
        ("geodata", _geodata),
        ("disk", lambda: _disk(folder)),
        ("fsync", lambda: _fsync(folder)),
    ):
        yield _tried(name, look)
    if target is None:
        return
    if is_remote(target):
        yield from _bucket(target)
        return
    path = find_recipe(target)
    # Where `croplayer run` puts it.
    out = folder / path.stem
    recipe = load_recipe(path, out)
    yield Finding("recipe", True, f"{recipe.name} is valid")
    yield from _sources(recipe)
    yield from _files(recipe, out)
    if recipe.store:
        yield from _bucket(recipe.store.url)


def _tried(name: str, look: Callable[[], str]) -> Finding:
    """The finding of a check: its sentence, or the message of the error that it raised."""
    try:
        return Finding(name, True, look())
    except ModuleNotFoundError as error:
        return Finding(name, False, missing_package("a run", error) or str(error))
    except Exception as error:  # whatever is wrong is a finding, and the other checks continue
        return Finding(name, False, (str(error).splitlines() or [type(error).__name__])[0])


def _python() -> str:
    return ".".join(str(v) for v in sys.version_info[:3])


def _libraries() -> str:
    installed = {distribution.name.lower() for distribution in metadata.distributions()}
    missing = [name for name in NEEDED if name not in installed]
    if missing:
        raise RuntimeError(
            f"a run needs packages that are not installed ({', '.join(missing)}); {how_to_install('run')}"
        )
    return ", ".join(f"{name} {metadata.version(name)}" for name in NEEDED)


def _threads() -> str:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    waits = os.environ.get("OMP_WAIT_POLICY", "not set")
    return f"torch uses {torch.get_num_threads()} of {os.cpu_count()} cores, GPU: {', '.join(gpus) or 'none'}, OMP_WAIT_POLICY {waits}"


def _runtimes() -> str:
    """What can run networks on the CPU, and what is faster where something is."""
    from croplayer.models.bundles.runtimes import OPENVINO, OPENVINO_BF16, cpu_runtimes

    found = cpu_runtimes()
    said = f"a CPU runs networks with {', '.join(found)}"
    if OPENVINO_BF16 in found:
        return f'{said}; `runtime = "{OPENVINO_BF16}"` in [segmentation] is usually the fastest, and its maps differ a little'
    if OPENVINO not in found:
        return f"{said}; OpenVINO can be faster: {how_to_install('openvino')}"
    return said


def _geodata() -> str:
    import pyproj
    import rasterio
    from rasterio.warp import transform

    (x,), (y,) = transform("EPSG:4326", "EPSG:32650", [117.0], [34.0])
    if abs(x - 500_000) > 1:
        raise RuntimeError(f"GDAL transforms 117 E, 34 N to ({x:.0f}, {y:.0f}) in EPSG:32650; its PROJ data are wrong")
    lon, _ = pyproj.Transformer.from_crs(32650, 4326, always_xy=True).transform(x, y)
    if abs(lon - 117) > 1e-6:
        raise RuntimeError("PROJ does not transform EPSG:32650 back to 117 E; its data are wrong")
    return f"GDAL {rasterio.__gdal_version__}, PROJ {pyproj.proj_version_str} find their data"


def _disk(folder: Path) -> str:
    free_gb = shutil.disk_usage(_existing(folder)).free / 1e9
    if free_gb < LEAST_FREE_GB:
        raise OSError(f"{folder} has {free_gb:.1f} GB free; a run needs at least {LEAST_FREE_GB:.0f}")
    return f"{folder} has {free_gb:.1f} GB free"


def _fsync(folder: Path) -> str:
    probe = _existing(folder) / f".croplayer-doctor-{uuid.uuid4().hex}"
    start = time.perf_counter()
    try:
        write_durable(probe, bytes(2**20))
        took_ms = 1000 * (time.perf_counter() - start)
        if probe.read_bytes() != bytes(2**20):
            raise OSError(f"{folder} does not return what was written to it")
    finally:
        probe.unlink(missing_ok=True)
    if took_ms > SLOWEST_FSYNC_MS:
        raise OSError(f"{folder} took {took_ms:.0f} ms to store 1 MiB; every write to the ledger would wait that long")
    return f"{folder} stores 1 MiB in {took_ms:.1f} ms"


def _existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    return next(p for p in (folder.resolve(), *folder.resolve().parents) if p.is_dir())


def _sources(recipe: Recipe) -> Iterator[Finding]:
    for source in recipe.sources:
        if not isinstance(source, HttpSource):
            continue
        if not source.i_have_rights:
            yield Finding("rights", False, f"source '{source.name}' has no i_have_rights = true, so nothing is fetched")
        else:
            yield Finding("rights", True, f"the recipe states that you may fetch the imagery of '{source.name}'")
        if source.token_env is not None:
            is_set = bool(os.environ.get(source.token_env))
            yield Finding("token", is_set, f"environment variable {source.token_env} is {'set' if is_set else 'empty'}")


def _files(recipe: Recipe, out: Path) -> Iterator[Finding]:
    """What the recipe reads and what does not exist; what croplayer itself makes is no problem."""
    absent = [need for need in needs_of(recipe, out) if not need.is_there]
    yield from (Finding("data", need.is_made, need.sentence) for need in absent)
    named = [p for s in recipe.sources for p in getattr(s, "paths", ())]
    named += [part.path for part in (*recipe.admin, recipe.terrain, recipe.statistics) if part is not None]
    named = [p for p in named if http_address(p) is None]
    folders = [need.folder.resolve() for need in absent]
    named = [p for p in named if not any(local_path(p).resolve().is_relative_to(folder) for folder in folders)]
    missing = [p for p in named if not local_path(p).exists()]
    yield from (Finding("file", False, f"{p} does not exist") for p in missing)
    if named and not missing:
        yield Finding("files", True, f"the {len(named)} files that the recipe names exist")


def _bucket(url: str) -> Iterator[Finding]:
    """Check with temporary objects what a run relies on, and remove them."""
    check_place(url)
    prefix = f"croplayer-doctor-{uuid.uuid4().hex}"
    try:
        for name, look in (
            ("bucket read", lambda: _read_after_write(url, f"{prefix}/a")),
            ("bucket overwrite", lambda: _overwrite(url, f"{prefix}/a")),
            ("bucket list", lambda: _list_after_write(url, prefix)),
            ("bucket create", lambda: _create_once(url, f"{prefix}/b")),
        ):
            yield _tried(name, look)
    finally:
        _clear(url, prefix)


def _read_after_write(url: str, key: str) -> str:
    import obstore

    for i in range(8):
        obstore.put(bucket_of(url), f"{key}{i}", f"{i}".encode())
        if obstore.get(bucket_of(url), f"{key}{i}").bytes().to_bytes() != f"{i}".encode():
            raise OSError(f"{url} does not return what was just written")
    return "a written object can be read at once"


def _overwrite(url: str, key: str) -> str:
    import obstore

    for i in range(8):
        obstore.put(bucket_of(url), key, f"version {i}".encode())
        if obstore.get(bucket_of(url), key).bytes().to_bytes() != f"version {i}".encode():
            raise OSError(f"{url} returns old bytes after an overwrite; redone blocks would be read as before")
    return "an overwritten object is read with its new bytes at once"


def _list_after_write(url: str, prefix: str) -> str:
    import obstore

    found = {entry["path"] for batch in obstore.list(bucket_of(url), prefix) for entry in batch}
    if len(found) != 9:
        raise OSError(f"{url} lists {len(found)} of 9 objects that were just written; a resumed run would redo blocks")
    return "a written object is listed at once"


def _create_once(url: str, key: str) -> str:
    import obstore

    obstore.put(bucket_of(url), key, b"first", mode="create")
    try:
        obstore.put(bucket_of(url), key, b"second", mode="create")
    except obstore.exceptions.AlreadyExistsError:
        return "an existing object is not created again (not needed by runs: the ledger stays on the client)"
    raise OSError(f"{url} allows an object to be created twice")


def _clear(url: str, prefix: str) -> None:
    import obstore

    try:
        for batch in obstore.list(bucket_of(url), prefix):
            obstore.delete(bucket_of(url), [entry["path"] for entry in batch])
    except Exception:  # what prevents removing objects also fails the checks above
        return
