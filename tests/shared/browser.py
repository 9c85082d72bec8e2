"""The headless browser that tests drive."""

from __future__ import annotations

import pytest

from benchmarks.browser import CHROMIUM, Tab, browser_tabs

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

__all__ = ["Tab", "browser_tabs", "needs_browser"]
