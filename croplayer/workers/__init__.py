"""Processes that work on blocks."""
