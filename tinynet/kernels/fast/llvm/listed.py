"""The instructions of tiles that pass over zeros: the products are those of listed columns of ``a``, and rows of ``b``.

A tile is half as many rows as those of `multiplying`, and twice as wide: fewer rows have more columns that are 0 in all
of them::

    sum[m, v] = 0                                       for all m < M, v < V: M * V registers
    for k in columns:
        row[v] = b[k, v]                                for all v: V vectors are loaded
        for m in range(M):
            x = broadcast(a[m, k])                      one number, in all lanes of a vector
            sum[m, v] += x * row[v]                     for all v: fused multiply-adds
    c[m, v] = sum[m, v]                                 for all m, v
"""

from __future__ import annotations

from itertools import product

from llvmlite import ir

from tinynet.kernels.fast.llvm.writing import BYTES, I64, load, loop, multiply_add, splat, store


def write_multiply_listed(module: ir.Module, vector: ir.VectorType, itemsize: int, rows: int, vectors: int) -> None:
    """Write ``multiply_listed(columns, count, a, a_m, a_k, b, b_k, c, c_m, M)``, of so many vectors, M up to so many.

    The columns are (count,); the steps to the next m and k are in bytes.
    """
    kind = ir.FunctionType(ir.VoidType(), [I64.as_pointer(), I64, BYTES, I64, I64, BYTES, I64, BYTES, I64])
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [*kind.args, I64]), "multiply_listed")
    builder, (*passed, M) = ir.IRBuilder(function.append_basic_block()), function.args
    done = builder.append_basic_block()
    switch = builder.switch(M, done)
    for height in range(1, rows + 1):
        tile = ir.Function(module, kind, f"listed_{height}")
        tile.linkage = "internal"
        write_tile(tile, vector, itemsize, height, vectors)
        switch.add_case(I64(height), block := builder.append_basic_block())
        builder.position_at_end(block)
        builder.call(tile, passed)
        builder.branch(done)
    builder.position_at_end(done)
    builder.ret_void()


def write_tile(function: ir.Function, vector: ir.VectorType, itemsize: int, M: int, V: int) -> None:
    """Write the loop over the columns, for one number of rows."""
    builder, (columns, count, a, a_m, a_k, b, b_k, c, c_m) = ir.IRBuilder(function.append_basic_block()), function.args
    sums, size = [vector(None)] * (M * V), vector.count * itemsize

    def further(pointer: ir.Value, step: ir.Value, m: int, v: int = 0) -> ir.Value:
        return builder.gep(pointer, [builder.add(builder.mul(step, I64(m)), I64(v * size))])

    with loop(builder, count, [columns], [I64(1)], sums) as (_, (at,)):
        k = builder.load(at)
        column, begin = (builder.gep(x, [builder.mul(k, step)]) for x, step in ((a, a_k), (b, b_k)))
        row = [load(builder, builder.gep(begin, [I64(v * size)]), vector, itemsize) for v in range(V)]
        for m in range(M):
            x = splat(builder, load(builder, further(column, a_m, m), vector.element, itemsize), vector.count)
            sums[m * V:(m + 1) * V] = [multiply_add(builder, x, row[v], sums[m * V + v]) for v in range(V)]
    for (m, v), total in zip(product(range(M), range(V)), sums, strict=True):
        store(builder, total, further(c, c_m, m, v), itemsize)
    builder.ret_void()
