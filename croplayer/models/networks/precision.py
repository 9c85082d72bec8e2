"""The precision that torch computes convolutions and matrix products in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

FLOAT32, BFLOAT16 = "float32", "bfloat16"


@contextmanager
def computing_in(precision: str, device: torch.device) -> Iterator[None]:
    """Forward passes in one of ``FLOAT32`` and ``BFLOAT16``.

    float32 on CUDA is float32 throughout: the tensor cores' TF32, with 10 bits of mantissa, is off and afterwards as
    it was. bfloat16 is autocast.
    """
    if precision == BFLOAT16:
        # A graph of CUDA would keep the address of a weight in the cache, which is gone after the capture.
        with torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False):
            yield
        return
    if device.type != "cuda":
        yield
        return
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = False
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before
