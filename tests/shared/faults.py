"""Troubles of the tile server that tests and long runs share."""

from __future__ import annotations

import hashlib

from croplayer.landscape.server import Fault, FaultRule, placeholder_tile

PLACEHOLDER = hashlib.sha256(placeholder_tile()).hexdigest()
EVERY_FAULT = tuple(FaultRule(fault, 0.03, 1) for fault in Fault)
"""Ten kinds of trouble, each for other 3 % of the tiles."""
