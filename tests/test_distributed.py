"""Training in shards, in one process: the gradients of plain fit, whatever the layers, and the order of the sums."""

import sys
import threading

import numpy as np
import pytest
from sampled import sampled

from tinynet import Sequential, distributed, kernels
from tinynet.callbacks import BackupAndRestore, LambdaCallback, TrainingDiverged
from tinynet.distributed import tree
from tinynet.distributed.processes import Processes
from tinynet.distributed.shards import ShardedSource
from tinynet.distributed.together import Together
from tinynet.layers import (
    ActivityRegularization,
    AlphaDropout,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianDropout,
    GaussianNoise,
    Layer,
    LayerNormalization,
    MaxPool2D,
    RandomAffine,
    RandomElasticTransform,
    RandomFlip,
    ReLU,
    Residual,
    SpatialDropout2D,
)
from tinynet.training import team
from tinynet.training.data import Data
from tinynet.training.sources import Arrays

IMAGES = {
    "dense": lambda: [Flatten(), Dense(5, activation="relu"), Dense(3, activation="softmax")],
    "convolution": lambda: [Conv2D(3, 3, activation="relu"), MaxPool2D(), Flatten(), Dense(3, activation="softmax")],
    "dropout": lambda: [Dropout(0.5), Conv2D(3, 3), GaussianDropout(0.3), SpatialDropout2D(0.3), Flatten(),
                        AlphaDropout(0.3),
                        Dropout(0.5, noise_shape=(None, 1)), Dense(3, activation="softmax")],
    "augmentation": lambda: [RandomAffine(0.1, 0.1), RandomElasticTransform(1.0, 2.0, seed=3), RandomFlip(),
                             GaussianNoise(0.1), Flatten(), Dense(3, activation="softmax")],
    "normalisation": lambda: [Conv2D(4, 3), BatchNormalization(), ReLU(), MaxPool2D(), BatchNormalization(),
                              Residual([Conv2D(4, 3, padding="same"), BatchNormalization(), ReLU()]), Flatten(),
                              LayerNormalization(), Dense(3, activation="softmax")],
    "frozen": lambda: [Conv2D(4, 3, trainable=False), BatchNormalization(trainable=False), ReLU(), Flatten(),
                       Dense(3, activation="softmax")],
    "penalties": lambda: [Flatten(), Dense(4, kernel_regularizer="l2", activity_regularizer="l1"),
                          Residual([Dense(4, activity_regularizer="l2")]), ActivityRegularization(0.1, 0.1),
                          Dense(3, activation="softmax", bias_regularizer="l1", kernel_constraint="max_norm")],
    "nested": lambda: [Sequential([Conv2D(3, 3), BatchNormalization(), ReLU()]), Flatten(),
                       Sequential([Dense(4), Dropout(0.5), Dense(3, activation="softmax")])],
}


def trained(layers, use, samples=21, batch_size=10, epochs=2, optimizer="sgd", shards=4, **options):
    """Return a model after a training, and its history; "sgd", as Adam hides the size of gradients."""
    rng = np.random.default_rng(1)
    x, y = rng.random((samples, 2, 6, 6)), np.eye(3)[rng.integers(0, 3, samples)]
    model = Sequential(layers(), input_shape=(2, 6, 6), dtype="float64", seed=0)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    arguments = {"batch_size": batch_size, "epochs": epochs, "verbose": 0, "validation_data": (x[:5], y[:5]), **options}
    if not use:
        return model, model.fit(x, y, **arguments).history
    with distributed.use("single", shards=shards):
        return model, model.fit(x, y, **arguments).history


@pytest.mark.parametrize(("kernel_set", "fuse"), sampled([
    ("fast", True), ("fast", False), ("im2col", True)], every=3))
@pytest.mark.parametrize("name", IMAGES)
def test_a_training_in_shards_is_that_of_plain_fit_but_for_rounding(name, kernel_set, fuse):
    weights = np.linspace(0.5, 1.5, 21)
    with kernels.use(kernel_set, fuse=fuse):
        plain, in_shards = (trained(IMAGES[name], use, sample_weight=weights) for use in (False, True))
    for a, b in zip(plain[0].get_weights(), in_shards[0].get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-11)
    assert plain[1].keys() == in_shards[1].keys()
    for key in plain[1]:
        np.testing.assert_allclose(in_shards[1][key], plain[1][key], rtol=1e-9)
    assert plain[0].rng.random() == in_shards[0].rng.random()              # as many numbers were drawn


def leaves_of(shards, known):
    return tree.tree_sum((0, shards), {(n, n + 1): known(n) for n in range(shards)}, lambda a, b: f"({a}{b})")


def test_the_tree_is_fixed():
    assert leaves_of(8, "abcdefgh".__getitem__) == "(((ab)(cd))((ef)(gh)))"
    assert leaves_of(5, "abcde".__getitem__) == "((ab)(c(de)))"


@pytest.mark.parametrize("shards", range(1, 18))
def test_the_sum_is_the_same_however_shards_lie_on_processes(shards):
    names = [f"[{n}]" for n in range(shards)]
    for filled in range(1, shards + 1):
        leaves = {(n, n + 1): names[n] for n in range(filled)}
        sums = set()
        for processes in range(1, shards + 1):
            nodes = [node for part in tree.shares(shards, processes) for node in tree.nodes_within(*part, (0, shards))]
            assert [n for node in nodes for n in range(*node)] == list(range(shards))
            known = {node: tree.tree_sum(node, leaves, lambda a, b: f"({a}{b})") for node in nodes if node[0] < filled}
            sums.add(tree.tree_sum((0, shards), known, lambda a, b: f"({a}{b})"))
        assert len(sums) == 1


@pytest.mark.parametrize("n", [0, 1, 5, 8, 21])
@pytest.mark.parametrize("parts", [1, 3, 8])
def test_shares_are_those_of_array_split(n, parts):
    expected = [part.tolist() for part in np.array_split(range(n), parts)]
    assert [list(range(*share)) for share in tree.shares(n, parts)] == expected


class Rows(np.ndarray):
    """An array that notes which of its samples are read."""

    def __getitem__(self, index):
        if self.read is not None:
            self.read.append(index)
        return np.asarray(super().__getitem__(index))

    def __array_finalize__(self, other):
        self.read = None


def test_a_process_reads_its_own_samples_alone():
    x, y, order = np.arange(20.0)[:, None].view(Rows), np.arange(20), np.random.default_rng(0).permutation(20)
    x.read = []
    batches = ShardedSource(Arrays(Data(x, y), 8, np.dtype("float32")), 4, (1, 3), lambda size: None)
    whole = [order[:8], order[8:16], order[16:]]
    for batch, samples in zip(batches.batches(order, 0, None), whole, strict=True):
        assert batch.samples == len(samples)
        for number, shard in batch.own.items():
            np.testing.assert_array_equal(shard.data.y, np.array_split(samples, 4)[number])
            assert shard.data.x.dtype == np.float32
    read = np.concatenate(x.read)
    np.testing.assert_array_equal(read, np.concatenate([np.concatenate(np.array_split(s, 4)[1:3]) for s in whole]))
    in_order = [shard.data.y.tolist() for batch in batches.batches(None, 1, 3) for shard in batch.own.values()]
    assert in_order == [[10, 11], [12, 13], [17], [18]]


@pytest.mark.parametrize("samples", [1, 2, 3, 5])
def test_empty_shards_count_as_zeros(samples):
    plain, in_shards = (trained(IMAGES["normalisation"], use, samples=samples, shards=8) for use in (False, True))
    for a, b in zip(plain[0].get_weights(), in_shards[0].get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_bits_do_not_depend_on_the_threads(monkeypatch, threads):
    before, _ = trained(IMAGES["normalisation"], True, optimizer="adam")
    monkeypatch.setenv("TINYNET_NUM_THREADS", threads)
    now, _ = trained(IMAGES["normalisation"], True, optimizer="adam")
    for a, b in zip(before.get_weights(), now.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def batches_of(x, y):
    for start in range(0, len(x), 7):
        yield x[start:start + 7], y[start:start + 7]


def test_batches_that_a_generator_yields_are_cut_too():
    rng = np.random.default_rng(0)
    x, y = rng.random((21, 2, 6, 6)), np.eye(3)[rng.integers(0, 3, 21)]
    models = [Sequential(IMAGES["normalisation"](), input_shape=(2, 6, 6), dtype="float64", seed=0) for _ in range(2)]
    for model in models:
        model.compile("sgd", "categorical_crossentropy")
    models[0].fit(batches_of(x, y), verbose=0)
    with distributed.use("single", shards=3):
        models[1].fit(batches_of(x, y), verbose=0)
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-11)


def test_what_a_callback_changes_counts():
    def freeze(epoch, logs):
        if epoch == 1:
            model.layers[1].trainable = False
            frozen.append(model.layers[1].get_weights())

    frozen, x = [], np.random.default_rng(0).random((12, 2, 6, 6))
    model = Sequential(IMAGES["dense"](), input_shape=(2, 6, 6), seed=0)
    model.compile("sgd", "mse")
    with distributed.use("single"):
        model.fit(x, np.eye(3)[[0, 1, 2] * 4], epochs=3, verbose=0, callbacks=LambdaCallback(on_epoch_begin=freeze))
    for a, b in zip(frozen[0], model.layers[1].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_backup_of_a_training_with_other_shards_is_refused(tmp_path):
    def interrupt(batch, logs):
        if batch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(IMAGES["dense"], True, shards=4, epochs=3, callbacks=[
            BackupAndRestore(tmp_path / "b", save_freq=1), LambdaCallback(on_train_batch_end=interrupt)])
    for use, shards, received in ((True, 8, "8"), (False, 8, "none")):
        with pytest.raises(ValueError, match=f"another training.*expected shards: {received}. Found: 4"):
            trained(IMAGES["dense"], use, shards=shards, epochs=3, callbacks=[BackupAndRestore(tmp_path / "b", 1)])


def test_a_loss_that_is_not_finite_ends_the_training_and_changes_nothing():
    model = Sequential([Dense(3, kernel_initializer="ones"), BatchNormalization()], input_shape=(2,), seed=0)
    model.compile("sgd", "mse")
    before, x = model.get_weights(), np.ones((8, 2), np.float32)
    x[5] = 3e38
    with distributed.use("single", shards=4), pytest.raises(TrainingDiverged, match="'dense_1'"):
        model.fit(x, np.zeros((8, 3)), verbose=0, batch_size=8)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class Fails(Layer):
    """A layer that fails in one shard, the others of which wait in the next layer."""

    def forward(self, x, training=False):
        if len(x) == 2:
            raise ValueError("a mistake of one's own")
        return x, lambda dy: dy


class MeetsForSome(Layer):
    """A layer that asks for the sums of the batch in some shards alone."""

    def forward(self, x, training=False):
        if training and len(x) == 3:
            kernels.batch_sums(x, np.zeros(x.shape[1]))
        return x, lambda dy: dy


@pytest.mark.parametrize(("layer", "error"), [(Fails, "a mistake of one's own"), (MeetsForSome, "batch_sums for some")])
def test_no_shard_waits_for_one_that_has_failed(layer, error):
    before = threading.active_count()
    with pytest.raises((ValueError, RuntimeError), match=error):
        trained(lambda: [Flatten(), layer(), BatchNormalization(), Dense(3, activation="softmax")], True)
    assert threading.active_count() <= before + 4                  # those that wait for shards


def test_more_processes_than_shards_are_refused_in_words():
    processes = Processes()
    processes.size = 9
    with pytest.raises(ValueError, match=r"at most as many processes as shards, 8.*shards=9\). Received: 9 processes"):
        Together(processes, 8)


def test_a_process_looks_for_mistakes_in_its_own_samples_and_names_their_places(monkeypatch):
    processes = Processes()
    processes.rank, processes.size = 1, 2
    together = Together(processes, 8)
    assert together.own(21) == slice(11, 21)
    monkeypatch.setattr(team, "current", lambda: together)
    model = Sequential([Dense(1, input_dim=1)])
    model.compile("sgd", "mse")
    x = np.ones((21, 1))
    x[[3, 15]] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity in 1 of 10 samples, the first of them 15"):
        model.fit(x, np.ones((21, 1)), verbose=0)


def test_a_missing_mpi_is_told_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setattr(distributed, "_started", {})
    with pytest.raises(ImportError, match=r"expected mpi4py and an MPI library.*pip install 'tinynet\[mpi\]'"):
        distributed.use("mpi")
    assert (distributed.rank(), distributed.size()) == (0, 1)


def test_after_a_block_fit_is_what_it_was():
    with distributed.use("single"):
        pass
    (_, inside), (_, outside) = trained(IMAGES["dense"], True), trained(IMAGES["dense"], False)
    assert inside.keys() == outside.keys()
    with pytest.raises(ValueError, match="Unknown backend 'mip'"):
        distributed.use("mip")
    with pytest.raises(ValueError, match="shards"):
        distributed.use("single", shards=0)
