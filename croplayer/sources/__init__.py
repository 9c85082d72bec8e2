"""Imagery, elevation and products from outside, brought onto the lattice."""
