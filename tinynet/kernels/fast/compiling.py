"""How the fast kernels are compiled: by numba, when first called, and kept on disk until a kernel changes.

A compiled function works through the samples it is given and writes into arrays that it is passed. A loop that is to
become vector instructions runs over contiguous rows, and selects between values instead of branching.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from types import SimpleNamespace
from typing import Any, Literal, TypeVar

import llvmlite.binding as llvm
import numpy as np
from numba import config as numba_config
from numba import njit
from numba.core import event
from numba.core.codegen import get_host_cpu_features

from tinynet.kernels.compilation import compilation
from tinynet.kernels.fast.cache import kernel_cache
from tinynet.kernels.streams import synchronize

config: Any = numba_config                                   # its attributes are set when it is loaded
CPU_FEATURES = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES     # as numba decides it
REASSOCIATED = frozenset({"reassoc"})                        # sums may be done in any order
Function = TypeVar("Function", bound=Callable[..., Any])


class CompilationListener(event.Listener):
    """Tells `kernels.compilation` of the compilations that are of this package's functions."""

    def on_start(self, event: Any) -> None:
        """A compilation begins."""
        if is_kernel(event):
            compilation.begin()

    def on_end(self, event: Any) -> None:
        """It ends."""
        if is_kernel(event):
            compilation.end()


def is_kernel(event: Any) -> bool:
    """Return whether numba's event is of a function of this package; one made by `exec` may be of none."""
    return str(event.data["dispatcher"].py_func.__module__).startswith("tinynet.")


event.register("numba:compile", CompilationListener())


def compiled(function: Function, inline: Literal["never", "always"] = "never",
             fastmath: AbstractSet[str] = frozenset(), source: str = "") -> Function:
    """Compile a function with numba when it is first called, and keep it on disk as long as no kernel changes.

    What was made from a `source` that is no kernel's is kept as long as that does not change, either.
    """
    # nogil: the threads of `parallel_for` really run in parallel. No fastmath: NaN and infinity must propagate. No
    # wrapper for C, which nothing calls: compiling it takes a third of what a small function takes.
    options: dict[str, Any] = {"inline": inline, "fastmath": set(fastmath), "no_cfunc_wrapper": True}
    dispatcher: Any = njit(nogil=True, error_model="numpy", **options)(function)
    if hasattr(dispatcher, "_cache"):                       # a plain function where NUMBA_DISABLE_JIT is set
        dispatcher._cache = kernel_cache(function, source)
    return dispatcher


def compiled_module(text: Callable[[], str], name: str) -> Callable[[str], int]:
    """Compile a module of LLVM instructions, or load it as it was kept; return what tells a function's address by name.

    The name stands for all that its text depends on, besides the files of the kernels.
    """
    cpu = llvm.get_host_cpu_name() if config.CPU_NAME is None else config.CPU_NAME
    llvm.initialize_native_target()
    llvm.initialize_native_asmparser()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu, CPU_FEATURES, jit=True, codemodel="jitdefault")
    kept, key = kernel_cache(compiled_module), (name, cpu, CPU_FEATURES)
    code = kept.load_code(key)
    if code is None:
        compilation.begin()
        try:
            code = machine.emit_object(llvm.parse_assembly(text()))
        finally:
            compilation.end()
        kept.save_code(key, code)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    engines.append(engine)
    return engine.get_function_address


engines: list[Any] = []                                     # whose code may run as long as the process


def for_loops(array: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
    """Return an array as compiled functions take it: of `dtype` (None: its own), in the machine's byte order, aligned,
    C-contiguous, to be read only.

    numba knows no other byte order, and compiles anew for arrays that are not aligned; after that it takes the one
    kind for the other.
    """
    own, flags = array.dtype, array.flags
    if own.isnative and (dtype is None or dtype == own) and flags.c_contiguous and flags.aligned:     # nearly always
        return array if flags.writeable else unmarked(array)
    synchronize()
    return array.astype(np.dtype(dtype or own).newbyteorder("="), order="C")           # a copy, which is aligned


def unmarked(array: np.ndarray) -> np.ndarray:
    """Return an array, or the same memory without the mark that it must not be written.

    numba would compile anew for marked arrays, such as a file mapped into memory, though nothing is written to them.
    """
    if array.flags.writeable:
        return array
    interface = array.__array_interface__
    return np.asarray(SimpleNamespace(__array_interface__={**interface, "data": (interface["data"][0], False)},
                                      keeps_alive=array))


def inlined(function: Function) -> Function:
    """Compile a function into its callers only, not by itself as well: a first start takes 11.7 s instead of 13."""
    return compiled(function, inline="always")


def reassociated(function: Function) -> Function:
    """Compile a function whose sums may be done in any order, so that they become vector instructions.

    The order is that of the compiled code: the same in each call, whichever thread makes it.
    """
    return compiled(function, fastmath=REASSOCIATED)
