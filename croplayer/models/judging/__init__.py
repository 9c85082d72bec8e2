"""What a model is worth beyond its validation: seams, comparisons, single fields."""
