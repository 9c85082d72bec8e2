"""Benchmarks of kernels, models, tables and large runs: `python -m benchmarks.kernels`, for example."""
