"""What the bytes of a run mean: the lattice, class codes, names of columns, layouts, the diary of a run."""

__version__ = "0.1.0"
