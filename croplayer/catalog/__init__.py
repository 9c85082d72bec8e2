"""A STAC catalog of a map: what it says of each file is measured from the file."""
