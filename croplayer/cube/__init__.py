"""The cube as analysts and tasks see it: whole blocks, lazy datasets, regions."""
