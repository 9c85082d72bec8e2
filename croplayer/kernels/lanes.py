"""Pixels of three bands moved and blended as four lanes at once; the fourth lane is the next pixel's first band.

Three bytes do not fill a vector and compilers handle them one by one; four do. The fourth is computed for nothing and
overwritten by the next pixel. The LLVM code is written here, as numba has no vectors.

Addresses are those of contiguous arrays. A write spills one byte past its pixel: write pixels from left to right,
and the last of a buffer by other means. A read takes four bytes or floats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

BYTES = ir.VectorType(ir.IntType(8), 4)
FLOATS = ir.VectorType(ir.FloatType(), 4)


def _load(builder: Any, address: Any, vector: Any, step: int) -> Any:
    """Four lanes at an address, `step` bytes apart from alignment."""
    value = builder.load(builder.inttoptr(address, vector.as_pointer()))
    value.align = step
    return value


def _store(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, builder.inttoptr(address, BYTES.as_pointer())).align = 1


def _spread(builder: Any, scalar: Any) -> Any:
    """A float in all four lanes."""
    lane = builder.insert_element(ir.Constant(FLOATS, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(
        lane, ir.Constant(FLOATS, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), 4), [0] * 4)
    )


def _copy_pixel(typingctx: Any, target: Any, source: Any) -> Any:
    """Copy a pixel of bytes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store(builder, _load(builder, args[1], BYTES, 1), args[0])
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp), codegen


def _blend_pixel(typingctx: Any, target: Any, source: Any, here: Any, there: Any) -> Any:
    """Write `here` times the float pixel at `source` plus `there` times the next one, rounded half up to bytes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target, source, here, there = args
        beside = builder.add(source, ir.Constant(source.type, 12))
        first = builder.fmul(_load(builder, source, FLOATS, 4), _spread(builder, here))
        second = builder.fmul(_load(builder, beside, FLOATS, 4), _spread(builder, there))
        total = builder.fadd(builder.fadd(first, second), ir.Constant(FLOATS, [0.5] * 4))
        whole = builder.fptosi(total, ir.VectorType(ir.IntType(32), 4))
        _store(builder, builder.trunc(whole, BYTES), target)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.float32, types.float32), codegen


copy_pixel = cast(Callable[[Any, Any], None], intrinsic(_copy_pixel))
blend_pixel = cast(Callable[[Any, Any, Any, Any], None], intrinsic(_blend_pixel))
