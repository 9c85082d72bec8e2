"""The commands beside `run` and its stages, one module a group."""
