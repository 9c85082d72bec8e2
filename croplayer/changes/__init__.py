"""What changed between two editions of the map, and how sure that is."""
