"""What users pass to `fit`, as arrays: checked, cast, split, weighted, cut into batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tinynet.checks import check_int, check_labels, check_nonnegative, invalid, is_number, warn

Tally = float | np.ndarray                # of a batch: a mean, or what a metric has counted
Index = slice | np.ndarray                # what picks the samples of a batch


class Data(NamedTuple):
    """Samples, their targets and their weights: arrays of one length, or None."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None = None

    def at(self, where: Index) -> Data:
        """Return the samples at a slice or an array of indices."""
        return Data(self.x[where], self.y[where], None if self.weight is None else self.weight[where])

    @property
    def samples(self) -> int:
        """The number of samples."""
        return len(self.x)

    def batch(self, where: Index, dtype: np.dtype) -> Data:
        """Return those samples, x in a model's dtype: cast here, as all at once may not fit the memory."""
        batch = self.at(where)
        return batch._replace(x=batch.x.astype(dtype, copy=False))


def as_samples(x: ArrayLike, dtype: np.dtype | None, what: str = "x") -> np.ndarray:
    """Return arrays, lists, ints and data frames as one array of `dtype` (None: of its own), or raise a ValueError."""
    if type(x) is np.ndarray and x.ndim and x.dtype.kind == "f" and (dtype is None or x.dtype == dtype):
        return x                                                                                # as nearly always
    try:
        array = np.asarray(x)
        if array.dtype == object:
            array = array.astype(dtype or float)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"numbers were expected, {array.dtype} came")
    except (TypeError, ValueError) as error:
        raise invalid(what, "an array of numbers, all samples of one shape", f"{type(x).__name__} ({error})") from None
    if array.ndim == 0:
        raise invalid(what, "an array with a batch axis", f"the number {x!r}")
    return array if dtype is None else array.astype(dtype, copy=False)


def without_list(y: ArrayLike, samples: int) -> ArrayLike:
    """Return what is in a list of one output's targets, as Keras takes it; others as they are."""
    if isinstance(y, (list, tuple)) and len(y) == 1 != samples and hasattr(y[0], "__array__") and (
            np.shape(y[0])[:1] == (samples,)):
        return y[0]
    return y


def without_lists(x: Any, y: Any) -> ArrayLike:
    """Return what is in a list of one input's samples, if there are as many in it as targets, in a list or not."""
    targets = y[0] if isinstance(y, (list, tuple)) and len(y) == 1 and hasattr(y[0], "__array__") else y
    return without_list(x, len(as_samples(targets, None, "y")))


def check_numbers(data: Data, owner: str, dtype: np.dtype, start: int = 0) -> None:
    """Raise a ValueError for NaN and infinity, in the name of the method that they were passed to.

    In x they may be what a number has become in the model's `dtype`. The data are those from sample `start` on.
    """
    for what, array in {"x": data.x, "y": data.y, "sample_weight": data.weight}.items():
        if array is not None and array.size and not finite([array.min(), array.max()], dtype).all():
            bad = np.flatnonzero(~finite(array, dtype).reshape(len(array), -1).all(axis=1))
            raise invalid(owner, f"numbers in {what}",
                          f"NaN or infinity in {len(bad)} of {len(array)} samples, the first of them {start + bad[0]}")


def finite(numbers: ArrayLike, dtype: np.dtype) -> np.ndarray:
    """Return which numbers are finite, in their own dtype and in another."""
    with np.errstate(over="ignore"):
        return np.isfinite(np.asarray(numbers).astype(dtype))


def warn_of_pixels(data: Data) -> None:
    """Warn of pixels that were not scaled from 0 to 255."""
    low, high, some = data.x.min(), data.x.max(), data.x[:100]
    if some[0].size >= 16 and low >= 0 and 128 <= high <= 255 and np.array_equal(some, np.round(some)):
        warn(f"fit: x looks like pixels from 0 to 255 (it is from {low:g} to {high:g}). Networks learn best from "
             f"numbers around 0 to 1: divide by 255, or begin with Rescaling(1 / 255).")


def same_length(**arrays: np.ndarray | None) -> None:
    """Raise a ValueError unless all arrays have as many samples, and at least one."""
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(lengths.values())) > 1:
        raise invalid(None, "as many samples in each",
                      ", ".join(f"{length} in {name}" for name, length in lengths.items()))
    if 0 in lengths.values():
        raise invalid(None, "at least one sample", f"{', '.join(lengths)} of length 0")


def weights(sample_weight: ArrayLike | None, samples: int) -> np.ndarray | None:
    """Return sample weights as an array, one number for each sample; None for None."""
    if sample_weight is None:
        return None
    weight = as_samples(sample_weight, np.dtype(float), "sample_weight")
    if weight.shape != (samples,):
        raise invalid("sample_weight", f"one number for each of {samples} samples", f"shape {weight.shape}")
    if (weight < 0).any():
        warn(f"Sample weights: {(weight < 0).sum()} of {samples} are below 0, and of their samples the loss is made "
             f"larger. If it is meant so, warnings.filterwarnings('ignore', 'Sample weights') before this silences it.")
    return weight


def with_class_weights(data: Data, class_weight: Mapping[int, float] | None, output_shape: tuple[int, ...]) -> Data:
    """Return data whose samples weigh what they did times the weight of their class, 1 for one that is not given."""
    if class_weight is None or (isinstance(class_weight, Mapping) and not class_weight):
        return data
    labels, which = np.unique(one_label_each(data.y, output_shape), return_inverse=True)
    check_class_weight(class_weight, {-1, 0, 1, *labels.tolist()} if output_shape in ((), (1,)) else
                       range(output_shape[0]))
    weight = np.array([class_weight.get(label, 1.0) for label in labels.tolist()])[which]
    return data._replace(weight=weight if data.weight is None else data.weight * weight)


def one_label_each(y: np.ndarray, output_shape: tuple[int, ...]) -> np.ndarray:
    """Return the label of every sample (N,), from labels or one-hot rows; a ValueError for samples of several."""
    if len(output_shape) > 1:
        raise invalid("class_weight", "one label for each sample (for others, give sample_weight)",
                      f"targets {y.shape}, for outputs {('N', *output_shape)}")
    if y.ndim < 2 or y.shape[-1] == 1:
        return check_labels(y, "class_weight").reshape(len(y))
    largest = y == y.max(axis=1, keepdims=True)
    several = (largest.sum(axis=1) > 1) | (abs(y.sum(axis=1) - 1) > 1e-3) | (y < 0).any(axis=1)
    if several.any():
        sample = several.argmax()
        raise invalid("class_weight", "one-hot rows, one label for each sample (for others, give sample_weight)",
                      f"{y[sample].tolist()} for sample {sample}")
    return y.argmax(axis=1)


def check_class_weight(class_weight: Mapping[int, float], known: Collection[int]) -> None:
    """Raise a ValueError unless these are weights of labels that exist."""
    if not isinstance(class_weight, Mapping):
        raise invalid("class_weight", "{label: weight}", repr(class_weight))
    if unknown := [label for label in class_weight if not is_number(label) or label not in known]:
        which = f"from 0 to {len(known) - 1}" if isinstance(known, range) else "that occur in y, or -1, 0 and 1"
        raise invalid("class_weight", f"labels {which}", ", ".join(map(repr, unknown)))
    for label, weight in class_weight.items():
        check_nonnegative("class_weight", f"a weight of label {label}", weight)


def split(data: Data, fraction: float) -> tuple[Data, Data]:
    """Return the first samples, and the last `fraction` of them, both in their order."""
    if not 0 < fraction < 1:
        raise invalid("fit", "validation_split between 0 and 1", repr(fraction))
    first = int(len(data.x) * (1 - fraction))
    if first in (0, len(data.x)):
        raise ValueError(f"fit: validation_split={fraction} of {len(data.x)} samples leaves one side empty.")
    return data.at(slice(None, first)), data.at(slice(first, None))


def batches(n: int, batch_size: int, order: np.ndarray | None = None) -> Iterator[Index]:
    """Yield the indices of each batch of `n` samples: slices, or slices of `order`; the last may be short."""
    for start in range(0, n, batch_size):
        yield slice(start, start + batch_size) if order is None else order[start:start + batch_size]


def batch_size(value: int | None) -> int:
    """Return a batch size, 32 for None, or raise a ValueError."""
    return 32 if value is None else check_int(value, "batch_size")


class RunningMeans:
    """Means over the samples seen so far, from those of batches of any size; and metrics, from the batches' counts.

    A batch brings a number, its mean, or an array: what a `Metric` of that name has counted in it.
    """

    def __init__(self, metrics: Mapping[str, object]) -> None:
        self.metrics = metrics
        self.samples = 0
        self.sums: dict[str, Any] = {}

    def add(self, batch: Mapping[str, Tally], samples: int) -> dict[str, float]:
        """Include a batch; return the means and metrics so far."""
        self.samples += samples
        for key, value in batch.items():
            self.sums[key] = self.sums.get(key, 0.0) + (value if isinstance(value, np.ndarray) else value * samples)
        return self.means()

    def means(self) -> dict[str, float]:
        """Return the means and metrics so far."""
        return {key: value if isinstance(self.sums[key], np.ndarray) else value / self.samples
                for key, value in values(self.sums, self.metrics).items()}


def values(tallies: Mapping[str, Tally], metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return what the counts come to, each by the metric of its name; numbers as they are."""
    return {key: metrics[key].value(tally) if isinstance(tally, np.ndarray) else tally
            for key, tally in tallies.items()}
