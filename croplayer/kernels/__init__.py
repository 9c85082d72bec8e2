"""The numeric heart: plain numpy arrays in and out, compiled by numba on first use and cached on disk.

Every kernel equals a reference that users trust and releases the interpreter lock, so blocks run side by side
in threads. Nothing here knows of dask, xarray, files or projections other than the arithmetic it states.
"""
