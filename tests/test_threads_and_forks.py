"""Threads and processes: predictions side by side, beside a training, after a fork; weights the same in all."""

import ctypes
import hashlib
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from tinynet import Sequential, load_model
from tinynet.callbacks import EarlyStopping
from tinynet.kernels import buffers
from tinynet.kernels.fast import threads, workers
from tinynet.kernels.fast.llvm.waiting import PLACE_BYTES, functions
from tinynet.kernels.fast.threads import one_blas_thread
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D

SCRIPT = """
import hashlib, numpy as np
from tinynet import Sequential
from tinynet.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPool2D
rng = np.random.default_rng(1)
x, y = rng.random((230, 1, 28, 28), np.float32), np.eye(10)[rng.integers(10, size=230)]
model = Sequential([Conv2D(30, 5, activation="relu", input_shape=(1, 28, 28)), MaxPool2D(),
                    BatchNormalization(), Conv2D(15, 3, activation="relu"), MaxPool2D(), Dropout(0.2), Flatten(),
                    Dense(512, activation="relu"), Dense(10, activation="softmax")], seed=4)
model.compile(loss="categorical_crossentropy", optimizer="adam")
model.fit(x, y, batch_size=100, epochs=2, verbose=0)
print(hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest())
"""


@cache
def weights_after_training(attempt=1, **environment):
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def small_model(seed=0):
    model = Sequential([Conv2D(8, 5, activation="relu", input_shape=(1, 28, 28)), MaxPool2D(), Dropout(0.2), Flatten(),
                        Dense(10, activation="softmax")], seed=seed)
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    return model


@pytest.fixture
def images(rng):
    return rng.random((200, 1, 28, 28), np.float32), np.eye(10)[rng.integers(10, size=200)]


@pytest.mark.rest
def test_two_processes_get_bitwise_the_same_weights():
    assert weights_after_training(TINYNET_NUM_THREADS="3") == weights_after_training(2, TINYNET_NUM_THREADS="3")


@pytest.mark.slow
def test_weights_do_not_depend_on_the_number_of_threads():
    assert weights_after_training(TINYNET_NUM_THREADS="1") == weights_after_training(TINYNET_NUM_THREADS="16")


def test_two_threads_predict_what_one_predicts(images):
    model, x = small_model(), images[0]
    expected = model.predict(x, batch_size=50)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: model.predict(x, batch_size=50), range(24)):
            np.testing.assert_array_equal(found, expected)


def test_what_a_helper_raises_is_raised_by_the_caller(monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", "2")
    monkeypatch.setattr(threads, "_shared", {})                       # a helper, on a machine of one core too
    begun = threading.Event()

    def work(start, stop):
        if threading.current_thread().name.startswith("tinynet_"):
            begun.set()
            raise ZeroDivisionError("of the helper")
        assert begun.wait(10)                                       # or the caller has done all of it before
    with pytest.raises(ZeroDivisionError, match="of the helper"):
        threads.parallel_for(work, 10, 1)


@pytest.mark.parametrize("awake", [True, False])
def test_a_helper_is_waited_for_however_long_it_takes(awake):
    helpers, done = workers.Workers(2, awake), []
    for seconds in (0, 5 * workers.AWAKE, 0):
        jobs = [workers.Job(lambda seconds=seconds: (time.sleep(seconds), done.append(1))) for _ in range(2)]
        helpers.call(jobs)
        while not all(job.claimed.locked() for job in jobs):                # by the helpers, and not claimed back
            time.sleep(1e-5)
        for job in jobs:
            helpers.finish(job)
        assert len(done) == 2
        done.clear()
        time.sleep(2 * workers.AWAKE)                                       # they sleep when they are called again


def test_helpers_that_many_callers_share_do_each_piece_once(monkeypatch):
    monkeypatch.setenv("TINYNET_NUM_THREADS", "3")
    monkeypatch.setattr(threads, "_shared", {"workers": workers.Workers(2, awake=True)})

    def count(caller):
        for _ in range(60):
            found = np.zeros(7, int)

            def work(start, stop, found=found):
                found[start:stop] += 1
            threads.parallel_for(work, 7, 1)
            assert (found == 1).all()
        return caller
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(count, range(4))] == [0, 1, 2, 3]


def test_waiting_ends_when_the_number_changes_and_counts_itself():
    numbers = (ctypes.c_int64 * (16 + PLACE_BYTES // 8))()
    mine, word, loops = (ctypes.addressof(numbers) + offset for offset in (0, 64, 128))
    assert [functions().wait(mine, word, seen, 100, 0, loops) for seen in (0, 1)] == [0, 1]       # the word is 0
    assert numbers[0] == 2
    caller = threading.Timer(0.05, lambda: numbers.__setitem__(8, 7))
    caller.start()
    while not functions().wait(mine, word, 0, 1000, 0, loops):
        pass
    assert numbers[8] == 7
    caller.join()


def test_helpers_stay_awake_where_there_are_cores_for_all(monkeypatch):
    made, cores = [], threads._cores()
    monkeypatch.setattr(threads, "Workers", lambda number, awake: made.append((number, awake)))
    for wanted in (cores, cores + 1):
        monkeypatch.setenv("TINYNET_NUM_THREADS", str(wanted))
        monkeypatch.setattr(threads, "_shared", {})
        threads._workers()
    assert made == [(cores - 1, True), (cores, False)]


@pytest.mark.parametrize("wanted", ["0", "-1", "two", "1.5", "", "²"])
def test_a_number_of_threads_that_is_none_is_told_in_words(monkeypatch, wanted):
    monkeypatch.setenv("TINYNET_NUM_THREADS", wanted)
    with pytest.raises(ValueError, match=r"TINYNET_NUM_THREADS: expected a whole number from 1\. Received: '"):
        threads.num_threads()


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture
def three_blas_threads():
    with threadpool_limits(3, user_api="blas"):
        if set(blas_threads()) != {3}:
            pytest.skip("a BLAS whose threads cannot be set")
        yield


def test_of_many_cores_eight_are_used_unless_more_are_asked_for(monkeypatch):
    monkeypatch.delenv("TINYNET_NUM_THREADS", raising=False)
    for cores, used in (1, 1), (8, 8), (64, 8):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, cores=cores: range(cores), raising=False)
        threads.as_number_of_threads.cache_clear()
        assert threads.num_threads() == used
    threads.as_number_of_threads.cache_clear()
    monkeypatch.setenv("TINYNET_NUM_THREADS", "64")
    assert threads.num_threads() == 64


@pytest.mark.parametrize("own", [True, False], ids=["its own functions", "threadpoolctl's"])
def test_blas_uses_one_thread_whichever_thread_asks(own, three_blas_threads, monkeypatch):
    if not own:
        monkeypatch.setattr(threads, "symbol", lambda library, name: None)
    for known in "blas", "blas threads":                             # other libraries may have been loaded since
        monkeypatch.delitem(threads._shared, known, raising=False)
    inside = []

    def ask():
        with one_blas_thread:
            inside.extend(blas_threads())
    with ThreadPoolExecutor(1) as pool:                              # not the thread that has set them before
        pool.submit(ask).result()
    ask()
    assert set(inside) == {1}
    assert set(blas_threads()) == {3}


def test_a_library_of_openmp_is_asked_by_threadpoolctl():
    asked = []
    functions_of_all = SimpleNamespace(openblas_get_num_threads=lambda: 7,
                                       openblas_set_num_threads=lambda number: pytest.fail("set for all threads"))
    library = SimpleNamespace(num_threads=3, threading_layer="openmp", set_num_threads=asked.append,
                              dynlib=functions_of_all)
    of_library = threads.blas_threads_of(library)
    of_library.set(2)
    assert (of_library.get(), asked) == (3, [2])
    library.threading_layer = "pthreads"
    assert threads.blas_threads_of(library).get() == 7


def test_blas_has_its_threads_back_when_the_last_has_left_though_another_came_first(three_blas_threads):
    came, leave = threading.Event(), threading.Event()

    def stay():
        with one_blas_thread:
            came.set()
            assert leave.wait(10)
    with ThreadPoolExecutor(1) as pool:
        with one_blas_thread:
            other = pool.submit(stay)
            assert came.wait(10)
        assert set(blas_threads()) == {1}
        leave.set()
        other.result()
    assert set(blas_threads()) == {3}


def interrupted(call, at):
    """Make a call with Ctrl-C at the `at`th begin or end of a function in threads.py; return whether it came so far.

    Signals are handled there, and after calls of other functions; not at every line, as a trace could raise it.
    """
    events = 0

    def trace(frame, event, argument):
        nonlocal events
        if frame.f_code.co_filename != threads.__file__:
            return None
        events += event in ("call", "return")
        if events == at:
            raise KeyboardInterrupt
        return trace
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


def test_blas_has_its_threads_back_wherever_ctrl_c_arrives(three_blas_threads):
    threads.on_one_blas_thread(lambda: None)
    at = 1
    while interrupted(lambda: threads.on_one_blas_thread(lambda: None), at):
        assert set(blas_threads()) == {3}, f"at event {at}"
        at += 1
    assert at > 10
    assert threads.on_one_blas_thread(blas_threads) == [1] * len(blas_threads())


def test_ctrl_c_cannot_be_lost_while_a_buffer_is_freed():
    called, array = [], buffers.empty((300, 300), np.dtype("float32"))
    sys.setprofile(lambda frame, event, argument: called.append(event))
    del array                                                        # runs no code of Python's, where it would arrive
    sys.setprofile(None)
    assert "call" not in called
    assert not hasattr(buffers.Loan, "__del__")
    assert not hasattr(buffers.holder(1), "__del__")


def test_a_prediction_beside_a_training_sees_weights_between_two_updates(images):
    model, (x, y) = small_model(), images
    one = x[:1]
    between = [model.predict(one)]                                   # what each state of the weights predicts
    seen, ready, done = [], threading.Event(), threading.Event()

    def watch():
        ready.set()
        while not done.is_set():
            seen.append(model.predict(one))
    watcher = threading.Thread(target=watch)
    watcher.start()
    ready.wait()
    for start in range(0, 200, 10):
        model.train_on_batch(x[start:start + 10], y[start:start + 10])
        between.append(model.predict(one))
    done.set()
    watcher.join(60)
    assert not watcher.is_alive()
    assert len(seen) > 1
    known = {hashlib.sha256(p.tobytes()).digest() for p in between}
    assert all(hashlib.sha256(p.tobytes()).digest() in known for p in seen)


class Waits(Layer):
    """Lets the test do something in the middle of a forward."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inside, self.go_on = threading.Event(), threading.Event()

    def forward(self, x, training=False):
        self.inside.set()
        assert self.go_on.wait(10)
        return x, lambda dy: dy


def set_weights(model, _):
    model.set_weights([array + 1 for array in model.get_weights()])


def set_one_layers_weights(model, _):
    model.layers[2].set_weights([array + 1 for array in model.layers[2].get_weights()])


def load_weights(model, folder):
    model.load_weights(folder / "other")


def restore_best_weights(model, _):
    callback = EarlyStopping("loss", restore_best_weights=True)
    callback.set_model(model)
    callback.best_weights = [array + 1 for array in model.get_weights()]
    callback.on_train_end()


@pytest.mark.parametrize("write", [set_weights, set_one_layers_weights, load_weights, restore_best_weights])
def test_weights_stay_as_they_are_while_a_prediction_is_at_work(write, tmp_path):
    waits = Waits()
    model = Sequential([Dense(3, input_dim=4), waits, Dense(2)], seed=0)
    before, x = model.get_weights(), np.ones((2, 4))
    model.set_weights([array + 2 for array in before])
    model.save_weights(tmp_path / "other")
    model.set_weights(before)
    with ThreadPoolExecutor(2) as pool:
        predicted = pool.submit(model.predict, x)
        assert waits.inside.wait(10)
        written = pool.submit(write, model, tmp_path)
        threading.Event().wait(0.1)
        assert np.array_equal(model.params["dense_2/kernel"], before[2])
        waits.go_on.set()
        written.result(10)
    np.testing.assert_allclose(predicted.result(), x @ before[0] @ before[2], rtol=1e-5)
    assert not np.array_equal(model.params["dense_2/kernel"], before[2])


def test_a_file_saved_beside_a_training_is_whole(tmp_path):
    model = Sequential([Dense(300, activation="relu", input_dim=300), Dense(10, activation="softmax")], seed=1)
    model.compile("adam", "categorical_crossentropy")
    x, y, done = np.ones((8, 300), np.float32), np.eye(10)[:8], threading.Event()
    model.train_on_batch(x, y)

    def train():
        while not done.is_set():
            model.train_on_batch(x, y)
    with ThreadPoolExecutor(1) as pool:
        trained = pool.submit(train)
        try:
            for _ in range(8):
                model.save(tmp_path / "m")
                load_model(tmp_path / "m")
        finally:
            done.set()
        trained.result(10)


class Ensemble(Layer):
    """The mean of models that are asked in threads."""

    def __init__(self, models, **kwargs):
        super().__init__(**kwargs)
        self.models = models

    def forward(self, x, training=False):
        with ThreadPoolExecutor(2) as pool:
            outputs = list(pool.map(lambda model: model.predict(x), self.models))
        return np.mean(outputs, axis=0), lambda dy: dy


class Counts(Layer):
    """Has a state, which makes a training forward one that writes."""

    def build(self, input_shape, rng):
        self.state["count"] = np.zeros(1, np.int64)
        return input_shape

    def forward(self, x, training=False):
        self.state["count"][0] += training
        return x, lambda dy: dy


@pytest.mark.parametrize("use", ["predict", "evaluate", "fit"])
def test_a_layer_may_ask_other_models_in_threads(use):
    inner = [Sequential([Dense(4, input_dim=4)], seed=seed) for seed in (1, 2)]
    model = Sequential([Counts(input_shape=(4,)), Ensemble([*inner, inner[0]]), Dense(3)], seed=0)
    model.compile("sgd", "mse")
    arguments = {"predict": {}, "evaluate": {"y": np.ones((2, 3)), "verbose": 0},
                 "fit": {"y": np.ones((2, 3)), "verbose": 0}}[use]
    done = threading.Event()

    def work():
        getattr(model, use)(np.ones((2, 4)), **arguments)
        done.set()
    threading.Thread(target=work, daemon=True).start()
    assert done.wait(20)


def test_neither_a_reader_nor_a_writer_is_kept_out_for_ever():
    class Slow(Layer):
        def forward(self, x, training=False):
            threading.Event().wait(0.002)
            return x, lambda dy: dy
    model, done = Sequential([Dense(3, input_dim=4), Slow()], seed=0), threading.Event()

    def again_and_again(work):
        while not done.is_set():
            work()
    weights, x = model.get_weights(), np.ones((2, 4))
    with ThreadPoolExecutor(5) as pool:
        busy = [pool.submit(again_and_again, work) for work in
                [*[lambda: model.predict(x)] * 3, lambda: model.set_weights(weights)]]
        mine = pool.submit(lambda: [(model.set_weights(weights), model.predict(x)) for _ in range(5)])
        try:
            mine.result(20)
        finally:
            done.set()
        for each in busy:
            each.result(10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_forward_leaves_both_able_to_predict():
    class Forks(Layer):
        child = None

        def forward(self, x, training=False):
            if self.child is None:
                self.child = os.fork()
            return x, lambda dy: dy
    model, parent, right = Sequential([Dense(3, input_dim=4), Forks()], seed=0), os.getpid(), False
    try:
        expected = model.predict(np.ones((2, 4)))
        model.set_weights(model.get_weights())
        right = np.array_equal(model.predict(np.ones((2, 4))), expected)
    finally:
        if os.getpid() != parent:
            os._exit(0 if right else 1)
    assert right
    assert os.waitpid(model.layers[1].child, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_predicts_what_its_parent_does(images):
    model, (x, y) = small_model(), images
    model.fit(x, y, batch_size=100, verbose=0)
    expected = model.predict(x)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        same = b"no"
        try:
            same = b"yes" if np.array_equal(model.predict(x), expected) else b"no"
        finally:
            os.write(writing, same)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"yes"
    os.waitpid(child, 0)


def test_a_buffer_in_use_is_never_returned_again():
    buffers.unused.clear()
    first = buffers.empty((300, 300), np.dtype("float32"))
    view = first[5:]
    address = first.ctypes.data
    del first
    assert buffers.empty((300, 300), np.dtype("float32")).ctypes.data != address      # the view still holds it
    del view
    both = [buffers.empty((300, 300), np.dtype("float32")) for _ in range(2)]
    assert both[0].ctypes.data != both[1].ctypes.data
    assert address in {array.ctypes.data for array in both}


def test_freed_buffers_are_reused_and_not_hoarded():
    buffers.unused.clear()
    address = buffers.empty((300, 300), np.dtype("float32")).ctypes.data              # freed at once
    assert buffers.empty((300, 300), np.dtype("float32")).ctypes.data == address
    held = [buffers.empty((1 << 20,), np.dtype("float32")) for _ in range(40)]        # 4 MB each
    del held
    assert buffers.unused.bytes() <= buffers.MAX_UNUSED_BYTES
    for size in range(1, 40):                                                         # of many sizes
        buffers.empty((size << 18,), np.dtype("float32"))
    assert buffers.unused.bytes() <= buffers.MAX_UNUSED_BYTES + buffers.MAX_POOLED_BYTES
