"""The measures of one block: shape, agreement and correctness of its masks."""
