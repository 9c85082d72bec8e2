"""Stop on a signal (Ctrl-C, SIGTERM, a terminal that closes): with one sentence, whatever the process is doing.

Before a command begins nothing can be lost, and the process ends at once. Afterwards the first signal raises
``KeyboardInterrupt``, so that folders are unlocked and workers closed. Python drops an exception that is raised inside a
finalizer or a callback, so loops also ask ``check``, and a watchdog ends the process if neither leads to an end: all that
was finished is durable by then, and processes of workers end with it. Later signals are ignored, because they would
only interrupt the way to the end.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import Any, NoReturn

from pipelines.exit_codes import INTERRUPTED

SENTENCE = "croplayer: stopped; run the same command again to continue"
LONGEST_END_S = 20.0
"""Time that closing may take before the process ends without it."""
_LIBRARIES = ("asyncio", "distributed", "tornado")
"""Libraries that log each connection and process which a stop cuts off."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _State:
    """What this process knows of a stop."""

    has_begun = False
    is_requested = False
    has_said = False


def install() -> None:
    """Handle the signals from now on, but for those that the process was started to ignore, as by ``nohup``."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)


def begin() -> None:
    """Tell that a command begins, which a signal must end in order; raises KeyboardInterrupt if one has come."""
    _State.has_begun = True
    check()


def is_requested() -> bool:
    """Whether a signal has asked this process to stop; errors since then only tell of the end."""
    return _State.is_requested


def check() -> None:
    """Raise KeyboardInterrupt if a signal has asked this process to stop."""
    if _State.is_requested:
        raise KeyboardInterrupt


def end() -> NoReturn:
    """End the process with the sentence; what is left to close is closed as at any exit."""
    _say()
    sys.exit(INTERRUPTED)


def _end_now() -> NoReturn:
    _say()
    os._exit(INTERRUPTED)


def _on_signal(number: int, frame: object) -> None:
    if not _State.has_begun:
        _end_now()
    if _State.is_requested:
        return
    _State.is_requested = True
    sys.unraisablehook = _say_nothing
    threading.excepthook = _say_nothing
    _silence_libraries()
    watchdog = threading.Timer(LONGEST_END_S, _end_now)
    watchdog.daemon = True
    watchdog.start()
    raise KeyboardInterrupt


def _say_nothing(problem: Any) -> None:
    """Errors in finalizers and threads that are cut off by the stop are no news."""


def _silence_libraries() -> None:
    """Log nothing more of the libraries; Dask gives handlers to some of its loggers and to those of Tornado."""
    for name in {*_LIBRARIES, *logging.root.manager.loggerDict}:
        if name.split(".")[0] in _LIBRARIES:
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [logging.NullHandler()], False


def _say() -> None:
    if not _State.has_said:
        _State.has_said = True
        os.write(2, f"{SENTENCE}\n".encode())
