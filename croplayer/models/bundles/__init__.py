"""Models as folders: written, checked, loaded, exported, and what computes them."""
