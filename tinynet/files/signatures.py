"""What a file seems to be, told by its first bytes: for the error about a file that is not one of tinynet's."""

from __future__ import annotations

SIGNATURES = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, such as Keras writes (.h5)",
    b"PK": "a zip archive, such as Keras (.keras), NumPy (.npz) and PyTorch (.pt) write",
    b"\x93NUMPY": "an array of NumPy's (.npy)",
    b"\x80": "a pickle, such as Python and older versions of PyTorch write",
    b"version https://git-lfs": "a pointer of Git LFS, in place of a file that git lfs pull fetches",
    b"<!doctype html": "a web page (HTML), such as a failed download leaves",
    b"<html": "a web page (HTML), such as a failed download leaves",
    b"\x1f\x8b": "a gzip file, which is to be unpacked first",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GGUF": "a GGUF file",
    b"{": "text (JSON)",
}
LONGEST = 100                                   # bytes that are looked at


def seems_to_be(start: bytes) -> str | None:
    """Return what a file that begins with these bytes seems to be; None if nothing that is known here.

    >>> seems_to_be(b"<!DOCTYPE html><title>404</title>")
    'a web page (HTML), such as a failed download leaves'
    """
    start = start[:LONGEST]
    for signature, kind in SIGNATURES.items():
        if start.startswith(signature) or start.lstrip().lower().startswith(signature):
            return kind
    return None
