"""Masks as bits: 64 pixels of a row in one word, so that whole words of background cost one comparison.

The turns of a row, where background meets mask or mask meets background, are the bits of ``word ^ (word << 1)``. They
are listed by counting trailing zeros and clearing the lowest bit, one instruction each. Numba offers neither that count
nor a comparison of 64 bytes at once, so their LLVM code is written here; LLVM splits the 64 bytes into the vectors that
the processor has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from croplayer.kernels.compiled import kernel

WORD_PX = 64
AT_ONCE = 8
"""Places of bits that are written together, wanted or not; buffers are that much longer."""


def as_mask(mask: np.ndarray, name: str = "mask") -> np.ndarray:
    """A mask as contiguous uint8, without a copy where it already is.

    Raises
    ------
    TypeError
        when the array is neither bool nor uint8.
    ValueError
        when it is not two-dimensional.
    """
    if not isinstance(mask, np.ndarray) or mask.dtype not in (np.bool_, np.uint8):
        raise TypeError(f"{name} is {getattr(mask, 'dtype', type(mask).__name__)}; expected a bool or uint8 array")
    if mask.ndim != 2:
        raise ValueError(f"{name} has shape {mask.shape}; expected two dimensions (rows, columns)")
    return np.ascontiguousarray(mask).view(np.uint8)


def pack_mask(mask: np.ndarray, name: str = "mask") -> np.ndarray:
    """The mask's pixels as bits.

    Parameters
    ----------
    mask : (h, w) bool or uint8 of 0 and 1
    name : what errors call the array

    Returns
    -------
    (h, ceil(w / 64)) uint64; bit k of word j is column 64 j + k, bits past the last column are 0

    Raises
    ------
    TypeError, ValueError
        for another dtype or shape, and for uint8 values other than 0 and 1 (flags are not mask pixels).
    """
    pixels = as_mask(mask, name)
    height, width = pixels.shape
    words = np.empty((height, -(-width // WORD_PX)), np.uint64)
    if pack_rows(pixels, words):
        raise ValueError(f"{name} holds values other than 0 and 1; give a mask such as `cropland == 1`")
    return words


def _trailing_zeros(typingctx: Any, word: Any) -> Any:
    """Number of zero bits below the lowest set bit of a uint64; 64 for 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


def _count_ones(typingctx: Any, word: Any) -> Any:
    """Number of set bits of a uint64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), codegen


def _test_bytes(order: str, masked: bool = False) -> Any:
    """Code that compares the 64 bytes at an address with one value, or, masked with it, with zero."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), WORD_PX)
        pixels = builder.load(builder.inttoptr(args[0], vector.as_pointer()))
        # Rows start at any byte.
        pixels.align = 1
        single = builder.insert_element(ir.Constant(vector, ir.Undefined), args[1], ir.Constant(ir.IntType(32), 0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), WORD_PX), [0] * WORD_PX)
        value = builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), lanes)
        if masked:
            pixels, value = builder.and_(pixels, value), ir.Constant(vector, [0] * WORD_PX)
        return builder.bitcast(builder.icmp_unsigned(order, pixels, value), ir.IntType(64))

    return codegen


def _bytes_above(typingctx: Any, address: Any, limit: Any) -> Any:
    """Bit k of the result tells whether byte k of the 64 bytes at an address exceeds a limit (uint8)."""
    return types.uint64(types.uintp, types.uint8), _test_bytes(">")


def _bytes_equal(typingctx: Any, address: Any, value: Any) -> Any:
    """Bit k of the result tells whether byte k of the 64 bytes at an address equals a value (uint8)."""
    return types.uint64(types.uintp, types.uint8), _test_bytes("==")


def _bytes_with(typingctx: Any, address: Any, bits: Any) -> Any:
    """Bit k of the result tells whether byte k of the 64 bytes at an address has one of some bits (uint8)."""
    return types.uint64(types.uintp, types.uint8), _test_bytes("!=", masked=True)


trailing_zeros = cast(Callable[[Any], Any], intrinsic(_trailing_zeros))
count_ones = cast(Callable[[Any], Any], intrinsic(_count_ones))
bytes_above = cast(Callable[[Any, Any], Any], intrinsic(_bytes_above))
bytes_equal = cast(Callable[[Any, Any], Any], intrinsic(_bytes_equal))
bytes_with = cast(Callable[[Any, Any], Any], intrinsic(_bytes_with))


@kernel
def pack_rows(pixels: np.ndarray, words: np.ndarray) -> bool:
    """Write the bits of (h, w) uint8 pixels into (h, ceil(w / 64)) words; True when a pixel exceeds 1."""
    height, width = pixels.shape
    whole = width // WORD_PX
    address = np.uintp(pixels.ctypes.data)
    zero, one = np.uint8(0), np.uint8(1)
    strange = np.uint64(0)
    for row in range(height):
        at = address + np.uintp(row * width)
        for j in range(whole):
            words[row, j] = bytes_above(at + np.uintp(WORD_PX * j), zero)
            strange |= bytes_above(at + np.uintp(WORD_PX * j), one)
        if whole * WORD_PX < width:
            word = np.uint64(0)
            for col in range(whole * WORD_PX, width):
                pixel = pixels[row, col]
                word |= np.uint64(pixel != 0) << np.uint64(col - whole * WORD_PX)
                strange |= np.uint64(pixel > 1)
            words[row, whole] = word
    return bool(strange != 0)


@kernel
def count_runs(words: np.ndarray) -> int:
    """Number of horizontal runs of ones in packed rows."""
    runs = 0
    for row in range(words.shape[0]):
        # The last bit of the word before, so that a run that crosses words starts once.
        carry = np.uint64(0)
        for j in range(words.shape[1]):
            word = words[row, j]
            runs += count_ones(word & ~((word << np.uint64(1)) | carry))
            carry = word >> np.uint64(63)
    return runs


def list_runs(words: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The horizontal runs of ones of packed rows, in raster order.

    Parameters
    ----------
    words : (h, ceil(width / 64)) uint64, as `pack_mask` makes them
    width : pixels in a row

    Returns
    -------
    edges : (2 * runs,) int32; first column and one past the last column of each run
    row_runs : (h + 1,) int64; runs of row r are row_runs[r] .. row_runs[r + 1]
    """
    edges = np.empty(2 * count_runs(words) + AT_ONCE, np.int32)
    row_runs = np.empty(len(words) + 1, np.int64)
    n = extract_runs(words, width, edges, row_runs)
    return edges[:n], row_runs


@kernel
def extract_runs(words: np.ndarray, width: int, edges: np.ndarray, row_runs: np.ndarray) -> int:
    """Fill what `list_runs` returns; returns the number of edges. Up to `AT_ONCE` - 1 more are written behind them."""
    n = 0
    for row in range(words.shape[0]):
        row_runs[row] = n // 2
        carry = np.uint64(0)
        for j in range(words.shape[1]):
            word = words[row, j]
            turns = word ^ ((word << np.uint64(1)) | carry)
            carry = word >> np.uint64(63)
            at = n
            n += count_ones(turns)
            # A fixed number of edges, wanted or not: the processor cannot predict the end of a loop over the edges.
            while at < n:
                for k in range(AT_ONCE):
                    edges[at + k] = WORD_PX * j + trailing_zeros(turns)
                    turns &= turns - np.uint64(1)
                at += AT_ONCE
        # A run that reaches the last bit of the last word has no turn after it.
        if carry:
            edges[n] = width
            n += 1
    row_runs[words.shape[0]] = n // 2
    return n
