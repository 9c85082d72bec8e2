"""How a run goes: recipes, stages, what is done and what is left, the Dask client, the command line."""
