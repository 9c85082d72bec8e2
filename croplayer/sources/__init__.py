"""Imagery and elevation, brought onto the lattice."""
