"""Safetensors files that say what they hold: arrays by name, a document, and checksums over both.

    8 bytes     size of the header, little-endian
    header      JSON: {"__metadata__": {"tinynet": "..."}, name: {"data_offsets", "dtype", "shape"}, ...}
    the rest    the arrays' numbers, little-endian, in C order, array after array without gaps

Any safetensors reader opens them. The one piece of metadata is JSON as well: format version, contents, and the
SHA-256 of every array and of this list itself. All JSON is canonical (sorted, no spaces), so that the same contents
are the same bytes. A file is untrusted: nothing in it is run or imported, sizes in its header count only if as many
bytes follow, and what reading costs is in proportion to the file, which has at most 2 GiB.

Source: https://huggingface.co/docs/safetensors, section "Format".
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import stat
from collections.abc import Mapping
from typing import IO, Any, NamedTuple, TypeGuard

import numpy as np

from tinynet.checks import invalid
from tinynet.files import atomic, signatures, strict_json
from tinynet.files.atomic import StrPath

FORMAT = 1
KEY = "tinynet"                 # of our metadata, beside which there is none
MAX_BYTES = 2**31
MAX_HEADER = 2**22              # far above the largest of ours, long histories included
MAX_RANK = 32
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
          "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?"}
CODES = {np.dtype(dtype).str[1:]: code for code, dtype in DTYPES.items()}      # "f4": "F32", in any byte order


class SavedFileError(ValueError):
    """A file is not what it has to be; the message says which, what was expected and what was found."""


def failure(path: StrPath, expected: str, found: object) -> SavedFileError:
    """Return the error to raise about a file."""
    return SavedFileError(f"{os.fspath(path)}: expected {expected}. Found: {found}.")


def digest(what: object, data: bytes | memoryview = b"") -> str:
    """Return the SHA-256, in hexadecimal, of something that JSON can hold, followed by an array's bytes."""
    checksum = hashlib.sha256(strict_json.dump(what))
    checksum.update(data)
    return checksum.hexdigest()


class Entry(NamedTuple):
    """What the header says of an array, which is the data section's bytes from `start` to `end`."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class SafeFile:
    """What was read from a file: its structure is checked, its checksums not before `verify`.

    Attributes
    ----------
    path : where it was read from.
    contents : what the document holds; untrusted.
    arrays : read-only arrays by name, little-endian.
    """

    def __init__(self, path: StrPath, document: object, entries: Mapping[str, Entry], data: bytes):
        self.path = path
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            found = document.get("format") if isinstance(document, dict) else document
            raise self.failure(f"format {FORMAT}, the only one this version of tinynet reads", brief(found))
        self.document, self.entries, self.data = document, entries, memoryview(data)
        self.contents: Any = document.get("contents")
        self.arrays = {name: np.frombuffer(self.data[entry.start:entry.end], DTYPES[entry.dtype]).reshape(entry.shape)
                       for name, entry in entries.items()}

    def failure(self, expected: str, found: object) -> SavedFileError:
        """Return the error to raise about this file."""
        return failure(self.path, expected, found)

    def verify(self) -> None:
        """Raise a SavedFileError unless document and arrays have their checksums."""
        rest = {key: value for key, value in self.document.items() if key != "sha256"}
        if self.document.get("sha256") != (found := digest(rest)):
            raise self.failure(f"a document with the checksum {brief(self.document.get('sha256'))}", found)
        checksums = self.document.get("arrays")
        if not isinstance(checksums, dict) or checksums.keys() != self.entries.keys():
            raise self.failure(f"checksums of the tensors {brief(list(self.entries))}", brief(checksums))
        for name, entry in self.entries.items():
            found = digest([entry.dtype, entry.shape], self.data[entry.start:entry.end])
            if checksums[name] != found:
                raise self.failure(f"tensor {brief(name)} with the checksum {brief(checksums[name])}", found)


def write(path: StrPath, contents: object, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file atomically: the old one or the new one is at `path`, never half of one.

    Raises
    ------
    OSError : if it cannot be written.
    ValueError : if the format has no code for an array's dtype, or the file would be too large to be read.
    """
    for name, array in arrays.items():
        if array.dtype.str[1:] not in CODES:
            raise invalid(os.fspath(path), f"{name!r} of a dtype that a file can hold, {', '.join(DTYPES)}",
                          array.dtype)
    # the widest numbers first keeps every array aligned, as safetensors' own writer does
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    entries, pieces, end = {}, [], 0
    for name in order:
        code = CODES[arrays[name].dtype.str[1:]]
        start, end = end, end + arrays[name].nbytes
        entries[name] = Entry(code, arrays[name].shape, start, end)
        pieces.append(np.ascontiguousarray(arrays[name], DTYPES[code]).reshape(-1).view(np.uint8).data)
    document = {"format": FORMAT, "contents": contents,
                "arrays": {name: digest([entry.dtype, entry.shape], piece)
                           for (name, entry), piece in zip(entries.items(), pieces, strict=True)}}
    document["sha256"] = digest(document)
    header = strict_json.dump({"__metadata__": {KEY: strict_json.dump(document).decode()},
                        **{name: {"dtype": entry.dtype, "shape": entry.shape, "data_offsets": [entry.start, entry.end]}
                           for name, entry in entries.items()}})
    header += b" " * (-len(header) % 8)                        # so that the arrays begin at a multiple of 8 bytes
    total = 8 + len(header) + end
    if len(header) > MAX_HEADER or total > MAX_BYTES:
        raise invalid(os.fspath(path), f"at most {MAX_HEADER:,} bytes of header and {MAX_BYTES:,} in all",
                      f"{len(header):,} and {total:,}")
    atomic.write(path, [len(header).to_bytes(8, "little"), header, *pieces])


def read(path: StrPath) -> SafeFile:
    """Read a file that `write` wrote, and check its structure.

    Raises
    ------
    FileNotFoundError : if there is none.
    SavedFileError : if it is anything but such a file.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(errno.ENOENT, "there is no such file", os.fspath(path))
    if not stat.S_ISREG(os.stat(path).st_mode):                # reading a pipe could block for ever
        raise failure(path, "a file", "a folder, a pipe or a device")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not 8 <= size <= MAX_BYTES:
            raise failure(path, f"8 to {MAX_BYTES:,} bytes", f"{size:,}")
        header_size = int.from_bytes(exactly(file, 8, path), "little")
        if not 2 <= header_size <= min(MAX_HEADER, size - 8):
            file.seek(0)
            if kind := signatures.seems_to_be(file.read(signatures.LONGEST)):
                raise failure(path, "a file that tinynet wrote", f"what looks like {kind}")
            raise failure(path, f"a header of 2 to {min(MAX_HEADER, size - 8):,} bytes", f"a declared {header_size:,}")
        header = parse(path, "header", exactly(file, header_size, path))
        if not isinstance(header, dict):
            raise failure(path, "a header {name: ...}", type(header).__name__)
        metadata = header.pop("__metadata__", None)
        if not isinstance(metadata, dict) or not isinstance(metadata.get(KEY), str):
            raise failure(path, f"a file that tinynet wrote, with {KEY!r} in its metadata", "another's, or none's")
        data_size = size - 8 - header_size
        entries = table(path, header, data_size)
        document = parse(path, f"metadata {KEY!r}", metadata[KEY].encode("utf-8", "surrogatepass"))
        return SafeFile(path, document, entries, exactly(file, data_size, path))


def exactly(file: IO[bytes], size: int, path: StrPath) -> bytes:
    """Read `size` bytes, or raise a SavedFileError."""
    data = file.read(size)
    if len(data) != size:
        raise failure(path, f"{size:,} bytes more", f"{len(data):,}")
    return data


def parse(path: StrPath, what: str, text: bytes) -> Any:
    """Parse one of the file's two pieces of JSON."""
    try:
        return strict_json.load(text)
    except ValueError as error:
        raise failure(path, f"a {what} of strict JSON", error) from error


def table(path: StrPath, header: Mapping[str, Any], data_size: int) -> dict[str, Entry]:
    """Return the header's entries, checked: known dtypes, sizes that fit, no gap, no overlap, nothing left over.

    Each byte of the data must belong to exactly one array. With an overlap, a small file could declare arrays that take
    many times its size in memory; in a gap or behind the last array, a file could carry what no checksum covers.
    """
    entries = {name: entry_of(path, name, value) for name, value in header.items()}
    end = 0
    # in the order of their bytes: of two that start at the same one, the empty array is first, as its end is smaller
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != end:
            raise failure(path, f"tensor {brief(name)} to start at byte {end:,} of the data, where the one before ends",
                          f"{entry.start:,}")
        end = entry.end
    if end != data_size:
        raise failure(path, f"{end:,} bytes of data, as its header declares", f"{data_size:,}")
    return entries


def entry_of(path: StrPath, name: str, value: object) -> Entry:
    """Return one entry of the header, checked by itself."""
    name = brief(name)
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise failure(path, f"tensor {name} with dtype, shape and data_offsets", brief(value))
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise failure(path, f"tensor {name} of a dtype among {', '.join(DTYPES)}", brief(dtype))
    if not are_sizes(shape, MAX_RANK):
        raise failure(path, f"tensor {name} of at most {MAX_RANK} sizes, whole numbers from 0", brief(shape))
    if not are_sizes(offsets, 2) or len(offsets) != 2:
        raise failure(path, f"tensor {name} from one byte of the data to another", brief(offsets))
    size = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
    if math.prod(max(n, 1) for n in shape) > MAX_BYTES:            # a size of 0 must not hide the others
        raise failure(path, f"tensor {name} of at most {MAX_BYTES:,} numbers", brief(shape))
    if offsets[1] - offsets[0] != size:
        raise failure(path, f"tensor {name}, {dtype} {tuple(shape)}, of {size:,} bytes", offsets[1] - offsets[0])
    return Entry(dtype, tuple(shape), *offsets)


def are_sizes(numbers: object, most: int) -> TypeGuard[list[int]]:
    """Return whether these are at most so many integers from 0."""
    return (isinstance(numbers, list) and len(numbers) <= most
            and all(type(n) is int and 0 <= n <= 2**63 for n in numbers))            # True is an instance of int


def brief(value: object) -> str:
    """Write what was found, truncated where it is long."""
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "..."
