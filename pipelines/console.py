"""Standard output and standard error of the commands, in which text of data cannot control the terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

from stores.printable import printable

CARRIAGE_RETURN = "\r"
"""Control character with which bars of progress return to the start of their line."""


class _Printable:
    """A text stream that shows control characters as escapes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(printable(text, CARRIAGE_RETURN))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def printable_streams() -> Iterator[None]:
    """Until the end, show every control character that is printed as an escape, whatever prints it."""
    out, error = cast(TextIO, _Printable(sys.stdout)), cast(TextIO, _Printable(sys.stderr))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        yield
