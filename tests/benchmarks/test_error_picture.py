from __future__ import annotations

import numpy as np

from benchmarks.error_picture import DRAWN, error_picture


def test_false_fields_are_red_and_missed_ones_blue():
    rgb = np.full((40, 40, 3), 90, dtype=np.uint8)
    drawn, mapped = np.zeros((40, 40), dtype=bool), np.zeros((40, 40), dtype=bool)
    drawn[10:30, :20], mapped[10:30, 5:25] = True, True
    picture = error_picture(rgb, drawn, mapped)
    imagery, outlined, errors = np.split(picture, 3, axis=1)
    assert picture.dtype == np.uint8 and (imagery == 90).all() and (rgb == 90).all()
    assert (outlined[10, :20] == DRAWN).all() and (outlined[20, 8] == 90).all() and (outlined[5] == 90).all()
    red, blue = (errors[..., band].astype(int) - 90 for band in (0, 2))
    assert ((red > 50) == (mapped & ~drawn)).all() and ((blue > 50) == (drawn & ~mapped)).all()
    assert (errors[20, 10] == 90).all()
