"""The map as polygons and files for other software."""
