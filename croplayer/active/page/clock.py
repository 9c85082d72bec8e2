"""Working time: pauses count only up to a limit."""

from __future__ import annotations

from datetime import datetime, timedelta

PAUSE = timedelta(seconds=120)
"""Of a longer time without a key or a movement of the picture only this much counts as work."""


class Clock:
    """Measures how long a person works on an item."""

    def __init__(self, now: datetime) -> None:
        self.started = now
        self._last = now
        self._worked = timedelta()

    def tick(self, now: datetime) -> None:
        """The person did something."""
        self._worked += max(timedelta(), min(now - self._last, PAUSE))
        self._last = now

    def take(self) -> float:
        """Seconds of work since the last call."""
        seconds = self._worked.total_seconds()
        self._worked = timedelta()
        return seconds

    @property
    def seconds(self) -> float:
        """Seconds of work that were not taken yet."""
        return self._worked.total_seconds()
