"""What those who create an edition of a cube and those who read and write its blocks agree on."""

from __future__ import annotations

from typing import Any

ATTRIBUTES = "croplayer"
"""Attribute of an edition's group with its place on the lattice and its sources."""
WRITE_CONFIG: Any = {"write_empty_chunks": True}
"""A block equal to the fill value is written too, so a missing file is never a result."""


class SchemaError(ValueError):
    """A store does not match its schema."""
