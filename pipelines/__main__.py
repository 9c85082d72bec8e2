"""``python -m pipelines`` is ``croplayer``."""

from __future__ import annotations

from pipelines.cli import main

main()
