"""Garbage is collected seldom and not at the end, and what must happen at the end of a process happens."""

from __future__ import annotations

import os
import subprocess
import sys

AT_THE_END = """
import atexit, gc, tempfile, weakref
from pathlib import Path
from stores.garbage import collect_seldom, leave_the_rest
collect_seldom()
assert gc.isenabled()
class Ring:
    pass
rings = []
for _ in range(30_000):
    ring = Ring()
    ring.itself = ring
    rings.append(weakref.ref(ring))
assert any(ring() is None for ring in rings), "nothing was collected"
folder = tempfile.TemporaryDirectory()
file = open(Path(folder.name).parent / (Path(folder.name).name + ".txt"), "w")
file.write("written")
atexit.register(print, "at exit")
print(folder.name)
leave_the_rest()
"""


def test_a_process_that_collects_seldom_ends_in_order(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    folder, last = done.stdout.splitlines()
    assert last == "at exit" and done.stderr == ""
    (left,) = tmp_path.iterdir()
    assert left.read_text() == "written" and folder == str(left.with_suffix(""))
