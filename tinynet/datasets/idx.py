"""IDX, the file format of MNIST: a short header, then the values of one array.

    2 bytes     zero
    1 byte      type of the values: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
    1 byte      rank r, the number of dimensions
    4r bytes    size of each dimension, an unsigned 32-bit integer
    the rest    the values, the last dimension changing fastest

All numbers are big-endian. A file is untrusted: memory is allocated for bytes that are there, not for those that its
header declares; and where most of an array is 0, as in a gzip file that unpacks to a thousand times its size, only for
the rest of it.

Source: Y. LeCun, C. Cortes, "The MNIST database of handwritten digits", section "The IDX file format",
http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import math
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import invalid
from tinynet.files import atomic

__all__ = ["parse_idx", "read_idx", "read_idx_bytes", "write_idx"]

StrPath = str | os.PathLike[str]
Result = TypeVar("Result")
_DTYPES: dict[int, np.dtype] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_GZIP_MAGIC = b"\x1f\x8b"
_MAX_BYTES = 2**31  # 2 GiB: 46 times MNIST's training images
_MAX_RANK = 32  # what every version of NumPy can hold
_MAX_HEADER = 4 + 4 * _MAX_RANK
_CHUNK = 2**20
_MAX_UNPACKED = 200  # bytes for each of a gzip file, zeros aside: 20 times what images of digits unpack to,
_ALWAYS_UNPACKED = 2**26  # or this many


def read_idx(path: StrPath) -> np.ndarray:
    """Read the array in an IDX file, gzipped or not (recognised by its first bytes, not by its name).

    Returns a new array of the header's shape and dtype (uint8, int8, int16, int32, float32 or float64), in
    native byte order, C-contiguous and writable. A dimension of size 0 gives an empty array.

    Raises ValueError, naming the file, what was expected and what was found, for anything that is not exactly
    one IDX array of rank 1 to 32 and at most 2 GiB; FileNotFoundError for a missing file. Memory stays in
    proportion to what the header declares or to what the file holds, whichever is less; a gzip file that holds more
    than 200 times its own size is to be unpacked first, unless it is small, or nearly all zeros.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "labels-idx1-ubyte")
    ...     _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(file)
    array([7, 2, 1], dtype=uint8)
    """
    return _read(path, _read_array)


def read_idx_bytes(path: StrPath) -> bytearray:
    """Read the uncompressed bytes of an IDX file, header included, ready for `parse_idx` or for hashing.

    Stops one byte after what the header declares (and never before the longest possible header is in), which
    is enough for `parse_idx` to see that there is too much. Raises as `read_idx`, except that the number of
    bytes is left to `parse_idx`.
    """
    return _read(path, _read_declared)


def write_idx(path: StrPath, array: ArrayLike) -> None:
    """Write an array as an IDX file, gzipped if its name ends in `.gz`; `read_idx` gives the same array back.

    The file is there whole or not at all: an old one of that name stays until the new one is complete. The same array
    gives the same bytes, gzipped too.

    Raises ValueError, before anything is written, unless the array is uint8, int8, int16, int32, float32 or float64
    (in any byte order), of rank 1 to 32 and at most 2 GiB: what `read_idx` reads; OSError if there is no such folder,
    or it may not be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(Path(folder, "labels-idx1-ubyte.gz"), np.array([7, 2, 1], np.uint8))
    ...     read_idx(Path(folder, "labels-idx1-ubyte.gz"))
    array([7, 2, 1], dtype=uint8)
    """
    array = np.asarray(array)
    codes = {dtype.newbyteorder("="): code for code, dtype in _DTYPES.items()}
    code = codes.get(array.dtype.newbyteorder("="))
    if code is None:
        raise invalid("write_idx", f"an array of {', '.join(dtype.name for dtype in codes)} (see array.astype)",
                      array.dtype)
    if not 1 <= array.ndim <= _MAX_RANK or not _fits(array.dtype, array.shape):
        raise invalid("write_idx", f"an array of 1 to {_MAX_RANK} dimensions and at most 2 GiB", f"shape {array.shape}")
    pieces = _pieces(array, code)
    atomic.write(path, _zipped(pieces) if os.fspath(path).endswith(".gz") else pieces)


def _pieces(array: np.ndarray, code: int) -> Iterator[bytes]:
    """Yield the bytes of an IDX file: the header, then the values in chunks."""
    yield struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    values, step = array.reshape(-1), _CHUNK // array.dtype.itemsize
    for start in range(0, array.size, step):
        yield values[start:start + step].astype(_DTYPES[code]).tobytes()


def _zipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Compress pieces as one gzip file, without a name or a date in it."""
    compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)          # 16: with gzip's header and checksum
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


def _read(path: StrPath, read: Callable[[IO[bytes] | gzip.GzipFile, Path, float], Result]) -> Result:
    """Call ``read(stream, path, most)`` on a file's uncompressed bytes; `most` of them, zeros aside, may be kept."""
    path = Path(path)
    if path.exists() and not path.is_file():           # reading a pipe could block for ever
        raise file_error(path, "an IDX file, gzipped or not", "a folder, a pipe or a device")
    try:
        file = path.open("rb")
    except FileNotFoundError:
        found = "no such file in that folder" if path.parent.is_dir() else "no such folder"
        raise FileNotFoundError(f"{path}: expected an IDX file, gzipped or not. Found: {found}.") from None
    with file:
        if not file.peek(2).startswith(_GZIP_MAGIC):
            return read(file, path, math.inf)
        try:
            with gzip.GzipFile(fileobj=file) as unzipped:
                return read(unzipped, path, max(_ALWAYS_UNPACKED, _MAX_UNPACKED * os.fstat(file.fileno()).st_size))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise file_error(path, "a complete, intact gzip file", str(error)) from error


def parse_idx(data: bytes | bytearray, file: StrPath = "IDX data") -> np.ndarray:
    """Return the array in the bytes of an IDX file; `file` is its name in errors.

    Returns and raises as `read_idx`.

    >>> parse_idx(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]))
    array([[1, 2, 3],
           [4, 5, 6]], dtype=uint8)
    """
    dtype, shape, expected = _parse_header(data, file)
    _check_size(file, dtype, shape, expected, len(data))
    values = np.frombuffer(data, dtype, count=math.prod(shape), offset=_header_size(shape)).reshape(shape)
    return values.astype(dtype.newbyteorder("="))  # copies: aligned, writable, independent of data


def _read_array(stream: IO[bytes] | gzip.GzipFile, file: Path, most: float) -> np.ndarray:
    """Return the array in a stream; chunks of zeros are skipped, and cost no memory that is really there."""
    data = bytearray()
    _fill(data, stream, _MAX_HEADER)
    dtype, shape, expected = _parse_header(data, file)
    del data[:_header_size(shape)]
    chunks: list[bytearray | None] = []  # of values, None for zeros: the array is made once all of them are there
    size, kept = expected - _header_size(shape), 0
    for start in range(0, size, _CHUNK):
        wanted = min(_CHUNK, size - start)
        _fill(data, stream, wanted)
        if len(data) < wanted:
            _check_size(file, dtype, shape, expected, expected - size + start + len(data))
        chunk, data = data[:wanted], data[wanted:]
        chunks.append(chunk if np.frombuffer(chunk, np.uint8).any() else None)
        kept += wanted if chunks[-1] else 0
        _check_unpacked(file, kept, most)
    _fill(data, stream, 1)  # beyond the end; asking for it makes gzip check its CRC
    _check_size(file, dtype, shape, expected, expected + len(data))
    values = np.zeros(math.prod(shape), dtype.newbyteorder("="))
    for place in range(len(chunks)):
        if there := chunks[place]:
            start = place * (_CHUNK // dtype.itemsize)
            values[start:start + len(there) // dtype.itemsize] = np.frombuffer(there, dtype)
            chunks[place] = None
    return values.reshape(shape)


def _check_unpacked(file: StrPath, size: int, most: float) -> None:
    """Raise a ValueError if what a gzip file unpacks to is out of all proportion to it."""
    if size > most:
        raise file_error(file, f"a gzip file that unpacks to at most {most:,} bytes, zeros aside",
                     "more. If you trust it, unpack it first, by gunzip")


def _check_size(file: StrPath, dtype: np.dtype, shape: tuple[int, ...], expected: int, size: int) -> None:
    """Raise a ValueError unless there are as many bytes as the header declares."""
    if size != expected:
        found = f"only {size}" if size < expected else f"at least {size}"
        raise file_error(file, f"{expected} bytes (header and {_describe(dtype, shape)})", found)


def _read_declared(stream: IO[bytes] | gzip.GzipFile, file: Path, most: float) -> bytearray:
    """Return the bytes its header declares and one more; for gzip, asking for that one makes it check the CRC."""
    data = bytearray()
    _fill(data, stream, _MAX_HEADER)
    declared = _parse_header(data, file)[2]
    _check_unpacked(file, declared, most)
    _fill(data, stream, declared + 1)
    return data


def _fill(data: bytearray, stream: IO[bytes] | gzip.GzipFile, size: int) -> None:
    """Read until `data` has `size` bytes or the stream ends; in chunks, as read(n) may allocate n first."""
    while len(data) < size and (chunk := stream.read(min(_CHUNK, size - len(data)))):
        data += chunk


def _parse_header(data: bytes | bytearray, file: StrPath) -> tuple[np.dtype, tuple[int, ...], int]:
    """Return dtype, shape, and the number of bytes that a file with this header has, header included."""
    if len(data) < 4:
        raise file_error(file, "an IDX header of at least 4 bytes", f"only {len(data)}")
    zeros, code, rank = struct.unpack_from(">HBB", data)
    if zeros != 0:
        raise file_error(file, "IDX, which starts with 00 00", data[:2].hex(" "))
    if code not in _DTYPES:
        raise file_error(file, f"an IDX type code among {bytes(_DTYPES).hex(' ')}", f"{code:02x}")
    if not 1 <= rank <= _MAX_RANK:
        raise file_error(file, f"1 to {_MAX_RANK} dimensions", str(rank))
    if len(data) < 4 + 4 * rank:
        raise file_error(file, f"an IDX header of {4 + 4 * rank} bytes for rank {rank}", f"only {len(data)}")
    dtype, shape = _DTYPES[code], struct.unpack_from(f">{rank}I", data, offset=4)
    if not _fits(dtype, shape):
        raise file_error(file, "at most 2 GiB of values", f"a header declaring {_describe(dtype, shape)}")
    return dtype, shape, _header_size(shape) + math.prod(shape) * dtype.itemsize


def _fits(dtype: np.dtype, shape: tuple[int, ...]) -> bool:
    """Return whether there are at most 2 GiB; a size of 0 must not hide the others, which NumPy multiplies too."""
    return math.prod(max(size, 1) for size in shape) * dtype.itemsize <= _MAX_BYTES


def _header_size(shape: tuple[int, ...]) -> int:
    return 4 + 4 * len(shape)


def _describe(dtype: np.dtype, shape: tuple[int, ...]) -> str:
    return f"{dtype.name} values of shape {shape}"


def file_error(file: StrPath, expected: str, found: object) -> ValueError:
    """Return the error to raise about a file of data: what was expected, and what is in it."""
    return ValueError(f"{os.fspath(file)}: expected {expected}. Found: {found}.")
