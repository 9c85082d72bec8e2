"""Further evaluation of models: seams, comparison of architectures, single fields."""
