"""Where compiled kernels are kept: on disk, as long as that works; without it each start compiles them anew.

numba keeps what it has compiled beside the source, or in the user's cache folder, and ends the program where neither
can be written to, where the disk is full, and where a file that it has kept is damaged. No reason not to train.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache
from numba.core.runtime import rtsys

from tinynet.kernels.compilation import compilation

KERNELS = Path(__file__).resolve().parents[1]
SOURCE_HASH = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(KERNELS.rglob("*.py")))).hexdigest()
CHECKSUM_BYTES = 32


def kernel_cache(function: Callable[..., Any], source: str = "") -> KernelCache | NothingKept:
    """Return the cache for the compiled versions of a function; one that keeps nothing where no folder can be used."""
    try:
        return KernelCache(function, source)
    except (RuntimeError, OSError) as error:              # numba's "no locator available", or of a path that is no file
        warn_not_kept(error)
        return NothingKept()


class NothingKept(NullCache):
    """The cache where no folder can be used."""

    def load_code(self, key: Any) -> None:
        """Return None: there is nothing."""

    def save_code(self, key: Any, code: bytes) -> None:
        """Keep nothing."""


class KernelCache(FunctionCache):
    """Keeps compiled versions if it can, and takes what is damaged for not there.

    numba compiles called functions into their caller, but checks only the caller's own file when it decides whether a
    version is out of date. So versions are stamped with a hash of all files of `tinynet.kernels`, and of the source
    that a function was made from, if that is elsewhere.
    """

    def __init__(self, function: Callable[..., Any], source: str = ""):
        super().__init__(function)
        stamp = hashlib.sha256((SOURCE_HASH + source).encode()).hexdigest() if source else SOURCE_HASH
        self._cache_file = CheckedFiles(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled version for a signature; None if there is none that is intact."""
        compilation.begin(only_loads=True)
        try:
            rtsys.initialize(target_context)
            return self._load_overload(sig, target_context)                     # numba's own loads what compiling needs
        except Exception:                                 # whatever unpickling raises for bytes that are not a pickle
            return None
        finally:
            compilation.end()

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled version."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            warn_not_kept(error)


    def load_code(self, key: Any) -> Any:
        """Return machine code that was kept under a key; None if there is none that is intact."""
        try:
            return self._cache_file.load(key)
        except Exception:
            return None

    def save_code(self, key: Any, code: bytes) -> None:
        """Keep machine code."""
        try:
            self._impl.locator.ensure_cache_path()
            self._cache_file.save(key, code)
        except OSError as error:
            warn_not_kept(error)


class CheckedFiles(IndexDataCacheFile):
    """The files of one function: an index, and machine code, which must not be run unless it is what was written."""

    def _load_index(self) -> Any:
        try:
            return super()._load_index()
        except Exception:                                 # half of a file, or none of its bytes: begin another
            return {}

    def _load_data(self, name: str) -> Any:
        data = Path(self._data_path(name)).read_bytes()
        if hashlib.sha256(data[:-CHECKSUM_BYTES]).digest() != data[-CHECKSUM_BYTES:]:
            raise OSError(f"{name} is damaged")           # to numba: it is not there
        return super()._load_data(name)

    def _dump(self, obj: object) -> bytes:
        data = super()._dump(obj)
        return data + hashlib.sha256(data).digest()       # unpickling reads up to the end of the pickle


def warn_not_kept(error: Exception) -> None:
    """Warn, once in a process, that the next start has to compile again."""
    if not _warned:
        _warned.append(error)
        warnings.warn("tinynet: compiled kernels cannot be kept on this machine, so each start compiles them anew. "
                      "Set the environment variable NUMBA_CACHE_DIR to a folder that can be written to, and has room. "
                      f"({type(error).__name__}: {error})", stacklevel=2)


_warned: list[Exception] = []
