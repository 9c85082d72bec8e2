"""How right the map is: pixels, blocks, provinces, other products."""
