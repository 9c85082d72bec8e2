"""What a run survives, counted: ``python -m soak``; see `make soak`."""
