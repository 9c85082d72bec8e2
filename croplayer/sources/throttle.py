"""Throttling of requests to a provider: a highest rate, and a pause while it does not answer."""

from __future__ import annotations

import threading
import time
from collections import deque

OUTCOMES_KEPT = 20
FAILURES_TO_PAUSE = 13
"""Failures among the last 20 requests after which a provider counts as out of order."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
LONGEST_RETRY_AFTER_S = 600.0
"""If a provider asks for a longer wait, the block fails instead."""
_POLL_S = 0.25


class ProviderOutError(ConnectionError):
    """A provider has not answered for longer than the run waits."""


class Throttle:
    """Admission of requests to one provider, for all threads of a process.

    A token bucket limits the rate. When most requests fail, requests pause; then a single one probes the
    provider, and the pause doubles until a probe succeeds. Callers wait meanwhile, and get
    ProviderOutError after ``patience_s``; a tile never counts as absent because of a pause.
    """

    def __init__(self, host: str, requests_per_s: float, patience_s: float, burst: int) -> None:
        self._host, self._patience_s = host, patience_s
        self._interval_s, self._burst_s = 1 / requests_per_s, burst / requests_per_s
        self._lock = threading.Lock()
        self._next_slot = 0.0
        self._closed_until = 0.0
        self._trouble_since: float | None = None
        self._pause_s = 0.0
        """Length of the current pause; 0 while the provider answers."""
        self._is_probing = False
        self._outcomes: deque[bool] = deque(maxlen=OUTCOMES_KEPT)

    def enter(self) -> bool:
        """Wait until a request may be sent; returns whether it is the one that probes the provider after a pause.

        Raises ProviderOutError if the provider has not answered for ``patience_s``.
        """
        while True:
            with self._lock:
                now = time.monotonic()
                wait = self._wait(now)
                if wait <= 0:
                    self._next_slot = max(self._next_slot, now - self._burst_s) + self._interval_s
                    self._is_probing = self._pause_s > 0
                    return self._is_probing
                if self._trouble_since is not None and now - self._trouble_since > self._patience_s:
                    raise ProviderOutError(
                        f"{self._host} has not answered for {now - self._trouble_since:.0f} s; no tile was taken as "
                        "missing: run the same command again once it answers"
                    )
            time.sleep(min(wait, _POLL_S))

    def _wait(self, now: float) -> float:
        if self._closed_until > now:
            return self._closed_until - now
        if self._pause_s:
            return _POLL_S if self._is_probing else 0.0
        return self._next_slot - now

    def answered(self) -> None:
        """Record a request that the provider answered as it should."""
        with self._lock:
            self._outcomes.append(True)
            self._pause_s, self._is_probing, self._trouble_since = 0.0, False, None

    def asked_to_wait(self, seconds: float) -> None:
        """Pause for the time that the provider asks for; raises ProviderOutError if it is too long."""
        if seconds > LONGEST_RETRY_AFTER_S:
            raise ProviderOutError(f"{self._host} asks for a wait of {seconds:.0f} s; run the same command again then")
        with self._lock:
            now = time.monotonic()
            self._closed_until = max(self._closed_until, now + seconds)
            self._trouble_since = self._trouble_since or now
            self._is_probing = False

    def failed(self) -> None:
        """Record a request that failed."""
        with self._lock:
            now = time.monotonic()
            self._outcomes.append(False)
            self._trouble_since = self._trouble_since or now
            self._is_probing = False
            if self._pause_s or self._outcomes.count(False) >= FAILURES_TO_PAUSE:
                if self._closed_until <= now:
                    self._pause_s = min(max(2 * self._pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
                    self._closed_until = now + self._pause_s
                self._outcomes.clear()
