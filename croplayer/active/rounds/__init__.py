"""Rounds of a label project: learn from the labels, map a sample, measure, and decide by unit."""
