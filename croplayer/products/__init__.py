"""Existing maps to compare with: their legends, and how they are opened from files or STAC items."""
