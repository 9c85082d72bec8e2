"""Count what a run survives and write it down: ``python -m soak --kills 1000 --write docs/soak.md``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from shared.buckets import bucket_server
from shared.fuzz import KINDS as FUZZED
from shared.poison import KINDS
from shared.poison_run import poison_step
from shared.run_files import digests

from pipelines.engine.cluster import Workers
from pipelines.engine.execute import run_step
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.recipe import Cluster
from soak.crash_points import crash_everywhere
from soak.damage import DamageCounts, add_foreign_files, damage_and_find, damage_ledgers
from soak.demo_runs import VARIANTS, differing_files, mosaic_under_fire
from soak.kills import kill_and_compare
from soak.snapshots import kill_snapshots
from soak.updates import crash_updates, damage_editions, kill_in_bucket
from stores.grid import BlockIndex
from stores.run_folder import RunFolder

SEED = 20260101
HEAD = """# What a run survives

Written by `make soak`. The tests run shorter versions of the same parts.

| part | result | date | machine, time |
|---|---|---|---|"""
NOT_SHOWN = """
## What this does not show

* Power loss. A crash here ends processes. The data that a disk then loses are imitated for the file that is being written, but not for renames that were not synced.
* Size and duration. The tests ran on at most two cores, with a few thousand blocks at a time, two writers and one reader, and not for days.
* Buckets. The S3-compatible store of the tests is a local server. Errors, delays and lost answers of a bucket are tested in small runs; many refusals at once, and kills of the server itself, were not tested.
"""
POISON_BLOCKS = 1000


def kills(work: Path, a: argparse.Namespace) -> str:
    found = kill_and_compare(
        work, a.kills, a.reads, a.blocks, 60 * a.minutes, SEED, lambda text: print(text, flush=True)
    )
    kinds = ", ".join(f"{n} of {name}" for name, n in sorted(found.kills.items()))
    return (
        f"{found.kills.total()} kills with SIGKILL ({kinds}) in {found.rounds} runs of {a.blocks} blocks and three steps: "
        f"{found.differing} files differ, {found.lost} blocks lost; {found.reads} reads meanwhile, {found.torn} of them torn"
    )


def crash_points(work: Path, a: argparse.Namespace) -> str:
    found = crash_everywhere(work, lambda point: point % a.stride == 0)
    return (
        f"a crash at {found.tried} of {found.points} points between durable operations: {found.differing} files differ, "
        f"{found.lost} blocks lost, {found.blamed} files reported as damaged"
    )


def damage(work: Path, a: argparse.Namespace) -> str:
    # The country is what the demo's run is made from, not what it made.
    shutil.copytree(_finished(a), work / "run", ignore=shutil.ignore_patterns("country"))
    files = damage_and_find(work / "run", a.damage, SEED)
    ledgers = damage_ledgers(work / "run", a.damage // 10, SEED)
    foreign = add_foreign_files(work / "run")
    return "; ".join(
        (
            f"{files.made.total()} damaged files ({_outcome(files)}",
            f"{ledgers.made.total()} damaged ledgers, records of finished steps and recipes ({_outcome(ledgers)}",
            f"files where none belong ({_outcome(foreign)}",
        )
    )


def _outcome(found: DamageCounts) -> str:
    kinds = ", ".join(f"{n} {name}" for name, n in sorted(found.made.items()))
    return f"{kinds}): {found.missed} not detected, {found.blamed} intact files reported"


def updates(work: Path, a: argparse.Namespace) -> str:
    for name in ("crashes", "damage", "kills"):
        (work / name).mkdir()
    crashed = crash_updates(work / "crashes", lambda point: point % a.stride == 0)
    damaged = damage_editions(work / "damage", a.damage // 20, SEED)
    with bucket_server("soak") as environment, mock.patch.dict(os.environ, environment):
        killed = kill_in_bucket(work / "kills", "s3://soak/run", environment, a.bucket_kills, 40, SEED)
    return "; ".join(
        (
            f"a second edition, crashed at {crashed.tried} of {crashed.points} points between durable operations: "
            f"{crashed.differing} files of either edition differ, {crashed.lost} blocks lost, {crashed.blamed} reported as damaged",
            f"{damaged.made.total()} damaged files of two editions, of which carried ones are files of both ({_outcome(damaged)}",
            f"{killed.kills} kills with SIGKILL of what writes two editions into a bucket ({killed.starts} starts): "
            f"{killed.differing} objects differ, {killed.lost} lost, {killed.blamed} reported as damaged",
        )
    )


def published(work: Path, a: argparse.Namespace) -> str:
    with bucket_server("soak") as environment, mock.patch.dict(os.environ, environment):
        found = kill_snapshots(work, _finished(a), "s3://soak/snapshot", environment, a.bucket_kills, SEED)
    return (
        f"{found.kills} kills with SIGKILL of what publishes the demo's run into a bucket, in {found.rounds} snapshots: "
        f"{found.differing} objects differ, {found.opened} unfinished snapshots opened, {found.blamed} objects reported as damaged"
    )


def poison(work: Path, a: argparse.Namespace) -> str:
    folder = RunFolder(work)
    bad = {BlockIndex(2 * i, (7 * i) % 50): KINDS[i % len(KINDS)] for i in range(POISON_BLOCKS // 100)}
    with Workers(Cluster(workers=2, deadline_s=a.deadline, memory_limit="500MiB")) as workers:
        result = run_step(poison_step(folder, POISON_BLOCKS, bad), StepLedgers(folder), workers)
    done = StepLedgers(folder).results(poison_step(folder, POISON_BLOCKS, bad)).blocks
    named = {r.block for r in result.failed}
    return (
        f"{len(bad)} of {POISON_BLOCKS} blocks misbehave ({', '.join(KINDS)}): {len(named & bad.keys())} of them reported, "
        f"{len(named - bad.keys())} others reported, {len(done)} of {POISON_BLOCKS - len(bad)} others finished"
    )


def fuzz(work: Path, a: argparse.Namespace) -> str:
    parts = []
    for kind, (look, _, many) in FUZZED.items():
        (work / kind).mkdir()
        found = ", ".join(f"{count} {name}" for name, count in look(many, work / kind).items())
        parts.append(f"{many} damaged {kind} ({found})")
    return f"{'; '.join(parts)}: no crash, no changed data read as intact"


def same_bytes(work: Path, a: argparse.Namespace) -> str:
    found = {variant.name: differing_files(_finished(a), work, variant) for variant in VARIANTS}
    ways = ", ".join(f"{name}: {count} files differ" for name, count in found.items())
    return f"{len(digests(_finished(a)))} files of the demo's run with 2 workers, made again: {ways}"


def fire(work: Path, a: argparse.Namespace) -> str:
    found = mosaic_under_fire(_finished(a), work)
    return (
        f"the demo's imagery over HTTP while 30 % of the tiles fail in ten ways ({found.requests} requests): "
        f"{found.differing} of {found.files} files differ, {found.extra_mb:.0f} MB more memory than with a healthy server"
    )


def _finished(a: argparse.Namespace) -> Path:
    if a.run is None:
        raise SystemExit("this part needs --run, the finished run of the demo")
    return Path(a.run)


PARTS: dict[str, Callable[[Path, argparse.Namespace], str]] = {
    "kills": kills,
    "crash points": crash_points,
    "damage": damage,
    "updates": updates,
    "snapshots": published,
    "poison": poison,
    "fuzz": fuzz,
    "same bytes": same_bytes,
    "failing provider": fire,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--reads", type=int, default=10_000)
    parser.add_argument("--blocks", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=600, help="time after which no further killed run is begun")
    parser.add_argument("--stride", type=int, default=1, help="every n-th crash point")
    parser.add_argument("--damage", type=int, default=10_000)
    parser.add_argument("--bucket-kills", type=int, default=100, help="kills of what writes into a bucket")
    parser.add_argument("--run", type=Path, help="finished run of the demo, for the parts that need one")
    parser.add_argument("--deadline", type=float, default=10.0)
    parser.add_argument("--write", type=Path, help="page that the figures are written to")
    arguments = parser.parse_args()
    for name in arguments.only.split(","):
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as work:
            sentence = PARTS[name](Path(work), arguments)
        print(f"{name}: {sentence}", flush=True)
        if arguments.write:
            _write(arguments.write, name, sentence, time.monotonic() - start)


def _write(page: Path, name: str, sentence: str, seconds: float) -> None:
    """Put a part's figures on the page; those of parts that were not run stay."""
    kept = page.with_suffix(".json")
    rows: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    day = datetime.now(UTC).date().isoformat()
    machine = f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    rows[name] = [sentence, day, f"{machine}, {seconds / 60:.0f} min"]
    kept.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")
    lines = [f"| {part} | {' | '.join(row)} |" for part, row in sorted(rows.items())]
    page.write_text("\n".join([HEAD, *lines]) + "\n" + NOT_SHOWN)


if __name__ == "__main__":
    main()
