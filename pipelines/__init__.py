"""Runs: recipes, stages, finished and remaining work, the Dask client, the command line."""
