"""Sixteen float32 numbers side by side, as a numba type: loops over them are vectors whatever LLVM makes of loops.

LLVM's own vectoriser needs every array's overlap checked and keeps nothing in registers from one loop to the next.
Sixteen are one register of AVX-512, two of AVX2 and four of SSE or NEON. Arrays are flat, contiguous float32.
"""

from __future__ import annotations

import operator

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from probe.kernels.cpu_math import LOG2_E

LANES = 16

_f = np.float32
_FLOATS, _INTEGERS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.IntType(32), LANES)
# a product and a sum may be one instruction; nothing may be reordered, NaN and infinity keep their meaning
_FUSED = ("contract",)
# added to a small number it rounds that to a whole one, which the lowest bits then hold, 127 more, as exponents do
_ROUND = _f(1.5 * 2**23 + 127)


class LanesType(types.Type):  # type: ignore[misc]  # numba has no types
    """The type that numba knows them by."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]  # numba has no types
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _FLOATS)


class _Arithmetic(AbstractTemplate):  # type: ignore[misc]  # numba has no types
    def generic(self, args, kws):
        return signature(lanes, lanes, lanes) if args == (lanes, lanes) else None


def _spread(builder, number):
    """Returns one number in all lanes."""
    one = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, ir.Constant(_FLOATS, ir.Undefined), ir.Constant(_INTEGERS, [0] * LANES))


def _define(symbol, name):
    """Makes a Python operator on lanes the LLVM instruction of that name."""
    infer_global(symbol)(type(f"_{name}", (_Arithmetic,), {"key": symbol}))

    @lower_builtin(symbol, lanes, lanes)
    def lower(context, builder, sig, args):
        return getattr(builder, name)(*args, flags=_FUSED)


for _symbol, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define(_symbol, _name)


def _pointer(context, builder, kind, array, index):
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _FLOATS.as_pointer())


@intrinsic
def load(typingctx, array, index):
    """Returns the lanes that start at an index of a flat array."""

    def codegen(context, builder, sig, args):
        return builder.load(_pointer(context, builder, sig.args[0], *args), align=4)

    return lanes(array, types.intp), codegen


@intrinsic
def fetch(typingctx, array, index):
    """Asks for the lanes that start at an index to be brought into the cache; changes nothing."""

    def codegen(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


@intrinsic
def store(typingctx, array, index, value):
    """Writes the lanes to a flat array, from an index on."""

    def codegen(context, builder, sig, args):
        builder.store(args[2], _pointer(context, builder, sig.args[0], *args[:2]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), codegen


@intrinsic
def spread(typingctx, number):
    """Returns a float32 number in every lane."""

    def codegen(context, builder, sig, args):
        return _spread(builder, args[0])

    return lanes(types.float32), codegen


@intrinsic
def spread_from(typingctx, array, index):
    """Returns one number of a flat array in every lane."""

    def codegen(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return _spread(builder, builder.load(builder.gep(data, [args[1]])))

    return lanes(array, types.intp), codegen


@intrinsic
def fma(typingctx, a, b, c):
    """Returns a b + c, in one instruction where there is one: c, not a or b, may come late."""

    def codegen(context, builder, sig, args):
        kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32"), args)

    return lanes(lanes, lanes, lanes), codegen


@numba.njit
def buffer(size):
    """Returns a flat array whose lanes share no line of the cache."""
    whole = np.empty(size + LANES, np.float32)
    first = (-whole.ctypes.data % (4 * LANES)) // 4
    return whole[first : first + size]


@intrinsic
def total(typingctx, value):
    """Returns the sum of all lanes, halves added to halves."""

    def codegen(context, builder, sig, args):
        part, width = args[0], LANES
        while width > 1:
            width //= 2
            nothing = ir.Constant(part.type, ir.Undefined)
            low, high = (
                builder.shuffle_vector(
                    part, nothing, ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(first, first + width)))
                )
                for first in (0, width)
            )
            part = builder.fadd(low, high, flags=_FUSED)
        return builder.extract_element(part, ir.Constant(ir.IntType(32), 0))

    return types.float32(lanes), codegen


@intrinsic
def totals(typingctx, array, index):
    """Returns the sums of sixteen lanes that lie one behind another in a flat array from an index on, a lane each."""

    def codegen(context, builder, sig, args):
        def summed(first, width):
            """Sums of as many lanes, from one on: each in every lane that is that sum's modulo their number."""
            if width == 1:
                place = builder.add(args[1], context.get_constant(types.intp, first * LANES))
                return builder.load(_pointer(context, builder, sig.args[0], args[0], place), align=4)
            half = width // 2
            parts = summed(first, half), summed(first + half, half)
            even, odd = (
                builder.shuffle_vector(
                    *parts,
                    ir.Constant(
                        _INTEGERS,
                        [
                            (lane // width) * width + half * second + lane % half + LANES * (lane % width >= half)
                            for lane in range(LANES)
                        ],
                    ),
                )
                for second in (0, 1)
            )
            return builder.fadd(even, odd, flags=_FUSED)

        return summed(0, LANES)

    return lanes(array, types.intp), codegen


def _turned(builder, rows):
    """Returns as many vectors as are given, whose lanes are swapped with their rows, in squares of as many lanes."""
    width, count = 1, len(rows)
    while width < count:
        low = [lane if not lane & width else LANES + lane - width for lane in range(LANES)]
        high = [lane + width if not lane & width else LANES + lane for lane in range(LANES)]
        turned = list(rows)
        for first in range(count):
            if not first & width:
                pair = rows[first], rows[first + width]
                turned[first] = builder.shuffle_vector(*pair, ir.Constant(_INTEGERS, low))
                turned[first + width] = builder.shuffle_vector(*pair, ir.Constant(_INTEGERS, high))
        rows, width = turned, 2 * width
    return rows


def _scattered(context, builder, count, kinds, array, places, shift):
    """Returns pointers to as many numbers of a flat array, a shift beyond each of sixteen places."""
    starts = context.make_array(kinds[1])(context, builder, places).data
    number, kind = context.get_value_type(types.intp), ir.VectorType(ir.FloatType(), count).as_pointer()
    firsts = [builder.add(builder.load(builder.gep(starts, [number(i)])), shift) for i in range(LANES)]
    return [builder.bitcast(_pointer(context, builder, kinds[0], array, first), kind) for first in firsts]


def _side_by_side(context, builder, count, kind, array, first):
    """Returns pointers to as many lanes that lie one behind another in a flat array."""
    number = context.get_value_type(types.intp)
    return [_pointer(context, builder, kind, array, builder.add(first, number(i * LANES))) for i in range(count)]


def _turn(count):
    """Returns the codegen that takes so many numbers from each place: two places share a vector if it is half full."""

    def codegen(context, builder, sig, args):
        given = _scattered(context, builder, count, (sig.args[0], sig.args[1]), *args[:3])
        rows = [builder.load(place, align=4) for place in given]
        if count < LANES:
            both = ir.Constant(_INTEGERS, list(range(LANES)))
            rows = [builder.shuffle_vector(rows[i], rows[i + count], both) for i in range(count)]
        for row, place in zip(
            _turned(builder, rows), _side_by_side(context, builder, count, sig.args[3], *args[3:]), strict=True
        ):
            builder.store(row, place, align=4)
        return context.get_dummy_value()

    return codegen


def _turn_back(count):
    """Returns the codegen that undoes `_turn`."""

    def codegen(context, builder, sig, args):
        given = _side_by_side(context, builder, count, sig.args[0], *args[:2])
        rows = _turned(builder, [builder.load(place, align=4) for place in given])
        if count < LANES:
            halves = [ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(i, i + count))) for i in (0, count)]
            rows = [
                builder.shuffle_vector(row, ir.Constant(_FLOATS, ir.Undefined), half) for half in halves for row in rows
            ]
        for row, place in zip(
            rows, _scattered(context, builder, count, (sig.args[2], sig.args[3]), *args[2:]), strict=True
        ):
            builder.store(row, place, align=4)
        return context.get_dummy_value()

    return codegen


@intrinsic
def turn(typingctx, source, places, shift, into, at):
    """Takes sixteen numbers from each of sixteen places, and stores the first of all, then the second of all, on."""
    return types.void(source, places, types.intp, into, types.intp), _turn(LANES)


@intrinsic
def turn_back(typingctx, source, at, into, places, shift):
    """Undoes `turn`: sixteen numbers go to each of sixteen places."""
    return types.void(source, types.intp, into, places, types.intp), _turn_back(LANES)


@intrinsic
def turn_half(typingctx, source, places, shift, into, at):
    """Takes eight numbers from each of sixteen places, as `turn` does sixteen."""
    return types.void(source, places, types.intp, into, types.intp), _turn(LANES // 2)


@intrinsic
def turn_half_back(typingctx, source, at, into, places, shift):
    """Undoes `turn_half`: eight numbers go to each of sixteen places."""
    return types.void(source, types.intp, into, places, types.intp), _turn_back(LANES // 2)


@intrinsic
def at_least(typingctx, value, bound):
    """Returns the larger of the two, NaN where the first is NaN."""

    def codegen(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered("<", *args), args[1], args[0])

    return lanes(lanes, lanes), codegen


@intrinsic
def at_most(typingctx, value, bound):
    """Returns the smaller of the two, NaN where the first is NaN."""

    def codegen(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered(">", *args), args[1], args[0])

    return lanes(lanes, lanes), codegen


@intrinsic
def absolute(typingctx, value):
    """Returns every number without its sign."""

    def codegen(context, builder, sig, args):
        bits = builder.and_(builder.bitcast(args[0], _INTEGERS), ir.Constant(_INTEGERS, [0x7FFFFFFF] * LANES))
        return builder.bitcast(bits, _FLOATS)

    return lanes(lanes), codegen


@intrinsic
def _power_of_two(typingctx, rounded):
    """Returns two to the whole number that was rounded by adding `_ROUND`."""

    def codegen(context, builder, sig, args):
        bits = builder.shl(builder.bitcast(args[0], _INTEGERS), ir.Constant(_INTEGERS, [23] * LANES))
        return builder.bitcast(bits, _FLOATS)

    return lanes(lanes), codegen


@numba.njit(inline="always")
def exp2(x):
    """Returns 2**x for x of at most 127, and 2**-126 below -126, by the polynomial of `cpu_math.exp2`. Keeps NaN."""
    x = at_least(x, spread(_f(-126.0)))
    rounded = x + spread(_ROUND)
    r = x - (rounded - spread(_ROUND))
    p = spread(_f(1.5353362e-4)) * r + spread(_f(1.3398874e-3))
    p = p * r + spread(_f(9.6184370e-3))
    p = p * r + spread(_f(5.5503324e-2))
    p = p * r + spread(_f(2.4022648e-1))
    p = p * r + spread(_f(6.9314720e-1))
    p = p * r + spread(_f(1.0))
    return p * _power_of_two(rounded)


@numba.njit(inline="always")
def sigmoid(x):
    """Returns 1 / (1 + exp(-x)), as `cpu_math.sigmoid`."""
    v = exp2(at_most(x * spread(-LOG2_E), spread(_f(127.0))))
    return spread(_f(1.0)) / (spread(_f(1.0)) + v)


@numba.njit(inline="always")
def softplus(x):
    """Returns log(1 + exp(x)), as `cpu_math.softplus`."""
    v = exp2(absolute(x) * spread(-LOG2_E))
    s = v / (spread(_f(2.0)) + v)
    q = s * s
    p = spread(_f(1.0 / 15)) * q + spread(_f(1.0 / 13))
    p = p * q + spread(_f(1.0 / 11))
    p = p * q + spread(_f(1.0 / 9))
    p = p * q + spread(_f(1.0 / 7))
    p = p * q + spread(_f(1.0 / 5))
    p = p * q + spread(_f(1.0 / 3))
    p = p * q + spread(_f(1.0))
    return at_least(x, spread(_f(0.0))) + spread(_f(2.0)) * s * p
