"""County packages: the map, its cropland and its fields as files for other software, province by province."""
