"""Kernels against the libraries they replace: `python -m benchmarks.kernels`."""
