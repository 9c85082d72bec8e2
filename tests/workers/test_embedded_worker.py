"""The end of a run's own cluster."""

from __future__ import annotations

import os
import pickle
import threading

import psutil
from workers.test_environment import CountThreads

from croplayer.workers.isolated import Work, run_group
from croplayer.workers.process_name import BLOCK, FORKS
from pipelines.engine.cluster import Workers
from pipelines.recipe import Cluster


def below() -> dict[str, list[psutil.Process]]:
    """Processes of a run below this one, by their names."""
    found: dict[str, list[psutil.Process]] = {BLOCK: [], FORKS: []}
    for process in psutil.Process().children(recursive=True):
        if process.name() in found:
            found[process.name()].append(process)
    return found


def test_nothing_of_a_cluster_is_left_when_it_is_closed() -> None:
    before, threads = below(), set(threading.enumerate())
    with Workers(Cluster(workers=2)) as workers:
        workers.begin({})
        work = Work(pickle.dumps(CountThreads()), "once")
        groups = [pickle.dumps([(0, i), (1, i)]) for i in range(4)]
        futures = [workers.client.submit(run_group, work, group, workers.limits, pure=False) for group in groups]
        assert sum(len(pickle.loads(each)) for f in futures for each in f.result(timeout=120).records) == 8
        during = below()
        assert (len(during[BLOCK]) - len(before[BLOCK]), len(during[FORKS]) - len(before[FORKS])) == (2, 1)
        assert all(p.ppid() == f.pid for p in during[BLOCK] for f in during[FORKS])
        assert os.getpid() not in {p.pid for p in during[BLOCK]}
    gone, alive = psutil.wait_procs([p for kind in during.values() for p in kind], timeout=10)
    assert not alive and len(gone) == 3
    assert not [t for t in threading.enumerate() if t not in threads and "Dask-Default" in t.name]
