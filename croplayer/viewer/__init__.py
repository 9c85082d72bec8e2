"""A map of a run in the browser: tiles straight from the cube, and what is known of units and blocks."""
