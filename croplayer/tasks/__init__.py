"""What a worker does for a list of blocks, one module per step: read, compute, write, return records."""
