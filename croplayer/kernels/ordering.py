"""Sorting few numbers inside of kernels."""

from __future__ import annotations

import numpy as np

from croplayer.kernels.compiled import kernel


@kernel
def sort_few(numbers: np.ndarray) -> None:
    """Sort a few numbers where they are; numpy's sort takes seconds to compile."""
    for i in range(1, len(numbers)):
        number, place = numbers[i], i
        while place > 0 and numbers[place - 1] > number:
            numbers[place] = numbers[place - 1]
            place -= 1
        numbers[place] = number
