"""How often a provider is asked: one rate for all threads, and hardly at all while it is out."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from shared.tile_server import a_place, decode, tiles_of

from croplayer.landscape.server import Fault, FaultRule, TileServer
from croplayer.sources import throttle
from croplayer.sources.throttle import ProviderOutError

pytestmark = pytest.mark.usefixtures("short_waits")


def test_while_a_provider_is_out_it_is_hardly_asked() -> None:
    gate = throttle.Throttle("tiles.example", 1e6, patience_s=0.6, burst=8)
    for _ in range(throttle.FAILURES_TO_PAUSE):
        assert gate.enter() is False
        gate.failed()
    asked = 0
    with pytest.raises(ProviderOutError, match=r"tiles\.example has not answered for \d+ s"):
        while True:
            assert gate.enter() is True
            asked += 1
            gate.failed()
    assert 1 <= asked <= 5
    time.sleep(1.0)
    assert gate.enter() is True
    gate.answered()
    assert [gate.enter() for _ in range(5)] == [False] * 5


def test_the_rate_is_kept_by_all_threads_together() -> None:
    gate = throttle.Throttle("tiles.example", 100.0, patience_s=10, burst=1)
    times: list[float] = []

    def ask() -> None:
        for _ in range(10):
            gate.enter()
            times.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 40 and max(times) - start >= 38 / 100


def test_retry_after_is_honoured_and_a_very_long_one_is_an_error(server: TileServer, tile_country: Path) -> None:
    server.switch(FaultRule(Fault.TOO_MANY, 1.0, 1))
    start = time.monotonic()
    tiles_of(server).read_tile(a_place(tile_country), decode)
    assert time.monotonic() - start >= 1.0
    server.retry_after_s = 3600
    server.requests.clear()
    with pytest.raises(ProviderOutError, match="asks for a wait of 3600 s"):
        tiles_of(server, edition="again").read_tile(a_place(tile_country), decode)
