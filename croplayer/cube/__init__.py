"""Access to the cube: whole blocks, lazy datasets, regions."""
