"""How fast and whether at all a provider is asked: a rate, and a pause while it does not answer."""

from __future__ import annotations

import threading
import time
from collections import deque

OUTCOMES_KEPT = 20
FAILURES_TO_PAUSE = 13
"""Failures among the last 20 requests after which a provider counts as out."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
LONGEST_RETRY_AFTER_S = 600.0
"""A provider that asks for a longer wait is not waited for."""
_POLL_S = 0.25


class ProviderOutError(ConnectionError):
    """A provider has not answered for longer than the run waits."""


class Throttle:
    """Admission of requests to one provider, for all threads of a process.

    A token bucket keeps the rate. When most requests fail, nothing is asked for a while; then one
    request is let through to see, and the pause doubles until one succeeds. Nobody is told "no
    imagery" meanwhile: callers wait, and after ``patience_s`` they get ProviderOutError.
    """

    def __init__(self, host: str, requests_per_s: float, patience_s: float, burst: int) -> None:
        self._host, self._patience_s = host, patience_s
        self._interval_s, self._burst_s = 1 / requests_per_s, burst / requests_per_s
        self._lock = threading.Lock()
        self._next_slot = 0.0
        self._closed_until = 0.0
        self._trouble_since: float | None = None
        self._pause_s = 0.0
        """Length of the present pause; 0 while the provider answers."""
        self._is_probing = False
        self._outcomes: deque[bool] = deque(maxlen=OUTCOMES_KEPT)

    def enter(self) -> bool:
        """Wait until a request may be sent; True when it is the one that tries whether the provider is back."""
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
                        f"{self._host} has not answered for {now - self._trouble_since:.0f} s; nothing was taken for "
                        "missing imagery: run the same command again when it does"
                    )
            time.sleep(min(wait, _POLL_S))

    def _wait(self, now: float) -> float:
        if self._closed_until > now:
            return self._closed_until - now
        if self._pause_s:
            return _POLL_S if self._is_probing else 0.0
        return self._next_slot - now

    def answered(self) -> None:
        """The provider did what it should."""
        with self._lock:
            self._outcomes.append(True)
            self._pause_s, self._is_probing, self._trouble_since = 0.0, False, None

    def asked_to_wait(self, seconds: float) -> None:
        """The provider named a time before which it wants no request; raises ProviderOutError when it is too long."""
        if seconds > LONGEST_RETRY_AFTER_S:
            raise ProviderOutError(f"{self._host} asks to wait {seconds:.0f} s; run the same command again after that")
        with self._lock:
            now = time.monotonic()
            self._closed_until = max(self._closed_until, now + seconds)
            self._trouble_since = self._trouble_since or now
            self._is_probing = False

    def failed(self) -> None:
        """A request came to nothing."""
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
