"""Exit codes of the command line other than 0."""

UNFINISHED = 1
"""Blocks failed, or something is damaged or unfinished."""
BAD_INPUT = 2
"""The command cannot be carried out; one sentence says why."""
INTERRUPTED = 130
"""Stopped by a signal; the same command continues the run."""
