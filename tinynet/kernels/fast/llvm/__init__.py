"""Functions in the instructions of LLVM, numba's compiler: compiled once for each dtype, and called where they are.

numba compiles what a function calls into it anew: with all sizes of tile in seven kernels a first start took 17 s.

    writing       loops, loads, stores
    multiplying   tiles, the inner loop of all products, and loops around them
    pooling       max pooling in windows side by side
    waiting       waiting for another thread without sleeping
    functions     their names for Python and for compiled code
"""
