"""Before the first step: have all processes the same model, settings, data and versions?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

import tinynet
from tinynet import kernels
from tinynet.distributed.processes import Processes
from tinynet.files.settings import settings_of
from tinynet.training.model import Model
from tinynet.training.run import Run
from tinynet.training.sources import Arrays, Source

COMPARED = 1000                # samples of x of which the numbers are compared, evenly spread; of y, all


def check_same_set_up(processes: Processes, of_this: Mapping[str, str]) -> None:
    """Raise a ValueError, in all processes, that names the first process in which something differs from process 0."""
    set_ups = processes.all_of(of_this)
    for rank, other in enumerate(set_ups):
        for what in {**set_ups[0], **other}:
            expected, received = (each.get(what, "none") for each in (set_ups[0], other))
            if expected != received:
                raise ValueError(f"distributed: process {rank} differs from process 0 in {what}: expected {expected}. "
                                 f"Received: {received}. All processes run the same script on the same data.")


def set_up(model: Model, run: Run, sources: Mapping[str, Source | None], epochs: int) -> dict[str, str]:
    """Return what must be the same everywhere, as text by name."""
    import numba

    versions = {"tinynet": tinynet.__version__, "NumPy": np.__version__, "numba": numba.__version__}
    return {**{f"the version of {name}": version for name, version in versions.items()},
            "the kernel set": f"{kernels.current().__name__}, fuse={kernels.fuses()}",
            **{f"the model's {what}": value for what, value in settings_of(model).items()},
            "the shapes of the weights": str([weight.shape for weight in model.weights]),
            **{f"fit's {what}": str(value) for what, value in run.settings.items()},
            "fit's epochs": str(epochs), **{f"the data, {name}": described(source) for name, source in sources.items()}}


def described(source: Source | None) -> str:
    """Describe data: shapes and dtypes; of arrays a SHA-256, of all targets and weights and of some of the samples."""
    if source is None:
        return "none"
    first = source.first
    arrays: dict[str, np.ndarray] = {name: array for name, array in first._asdict().items() if array is not None}
    if not isinstance(source, Arrays):                               # batches, of which the first may be a random one
        return ", ".join(f"{name} {array.dtype} {array.shape[1:]}" for name, array in arrays.items())
    some = np.unique(np.linspace(0, len(first.x) - 1, COMPARED).astype(int))
    return ", ".join(f"{name} {array.dtype} {array.shape} with the SHA-256 "
                     f"{digest(array[some] if name == 'x' else array)}" for name, array in arrays.items())


def digest(array: np.ndarray) -> str:
    """Return the beginning of an array's SHA-256."""
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]
