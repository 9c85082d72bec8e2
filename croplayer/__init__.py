"""Cropland maps from two imagery sources, block by block, with the proof that they are right."""

__version__ = "0.1.0"
