"""Exit codes of the command line beside 0."""

UNFINISHED = 1
"""Blocks failed, or something is damaged or not finished."""
BAD_INPUT = 2
"""What was asked for cannot be done; one sentence says why."""
INTERRUPTED = 130
"""Stopped by a signal; the same command goes on."""
