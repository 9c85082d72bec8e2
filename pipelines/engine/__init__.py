"""The engine of a run: its inputs, output, steps and workers."""
