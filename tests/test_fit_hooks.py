"""What callbacks see of a training: hooks in order, figures, and a way to stop."""

import numpy as np
import pytest

from tinynet import Sequential
from tinynet.callbacks import Callback, History, LambdaCallback
from tinynet.layers import Dense
from tinynet.optimizers import SGD

X, Y = np.ones((5, 1)), np.array([[1.0], [1.0], [1.0], [1.0], [6.0]])


class Recorder(Callback):
    """Remembers every call: the hook and its number, and the figures it came with."""

    def __init__(self):
        super().__init__()
        self.calls, self.logs = [], {}


def recording(hook):
    def record(self, *args):
        self.calls.append((hook, *[arg for arg in args if isinstance(arg, int)]))
        self.logs.setdefault(hook, []).extend(dict(arg) for arg in args if isinstance(arg, dict))
    return record


for name in [name for name in vars(Callback) if name.startswith("on_")]:
    setattr(Recorder, name, recording(name))


def model():
    made = Sequential([Dense(1, use_bias=False, kernel_initializer="ones", input_dim=1)], dtype="float64")
    made.compile(SGD(0.0), "mse")
    return made


def test_hooks_are_called_in_order():
    recorder = Recorder()
    model().fit(X, Y, batch_size=4, epochs=2, validation_data=(X, Y), callbacks=[recorder], verbose=0)
    batches = [("on_train_batch_begin", 0), ("on_train_batch_end", 0),
               ("on_train_batch_begin", 1), ("on_train_batch_end", 1)]
    tests = [("on_test_begin",), ("on_test_batch_begin", 0), ("on_test_batch_end", 0),
             ("on_test_batch_begin", 1), ("on_test_batch_end", 1), ("on_test_end",)]
    epochs = [[("on_epoch_begin", n), *batches, *tests, ("on_epoch_end", n)] for n in (0, 1)]
    assert recorder.calls == [("on_train_begin",), *epochs[0], *epochs[1], ("on_train_end",)]


def test_batches_are_told_the_running_means_and_epochs_all_figures():
    recorder = Recorder()
    model().fit(X, Y, batch_size=4, validation_data=(X[:1], Y[:1]), shuffle=False, callbacks=[recorder], verbose=0)
    assert recorder.logs["on_train_batch_end"] == [{"loss": 0.0}, {"loss": 5.0}]
    assert recorder.logs["on_epoch_end"] == [{"loss": 5.0, "val_loss": 0.0}]
    model().fit(X, Y, batch_size=4, validation_data=(X, Y), callbacks=[recorder], verbose=0)
    assert recorder.logs["on_test_batch_end"][-2:] == [{"loss": 0.0}, {"loss": 5.0}]


@pytest.mark.parametrize("as_lambda", [False, True], ids=["methods", "LambdaCallback"])
def test_batches_are_told_under_their_older_names_too(as_lambda):
    begun, ended = [], []

    class Older(Callback):
        def on_batch_begin(self, batch, logs=None):
            begun.append((batch, logs))

        def on_batch_end(self, batch, logs=None):
            ended.append((batch, logs))
    older = Older()
    if as_lambda:
        older = LambdaCallback(on_batch_begin=older.on_batch_begin, on_batch_end=older.on_batch_end)
    model().fit(X, Y, batch_size=4, shuffle=False, callbacks=[older], verbose=0)
    assert begun == [(0, {}), (1, {})]
    assert ended == [(0, {"loss": 0.0}), (1, {"loss": 5.0})]


def test_callbacks_are_told_the_model_and_the_call():
    recorder, made = Recorder(), model()
    made.fit(X, Y, batch_size=4, epochs=2, callbacks=[recorder], verbose=0)
    assert recorder.model is made
    assert recorder.params == {"epochs": 2, "steps": 2, "samples": 5, "verbose": 0, "batch_size": 4}


def test_stopping_in_an_epoch_ends_with_it():
    class Stop(Recorder):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1
    stop, made = Stop(), model()
    history = made.fit(X, Y, epochs=10, callbacks=[stop], verbose=0)
    assert history.epoch == [0, 1]
    assert stop.calls[-1][0] == "on_train_end"
    assert made.fit(X, Y, epochs=2, verbose=0).epoch == [0, 1]          # a new fit starts unstopped


def test_stopping_in_a_batch_leaves_the_other_batches_out():
    class Stop(Recorder):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True
    made = model()
    history = made.fit(X, Y, batch_size=1, epochs=3, callbacks=[Stop()], verbose=0)
    assert made.optimizer.iterations == 1
    assert history.epoch == [0]


def test_the_end_is_told_even_if_a_callback_fails():
    class Fail(Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt
    recorder = Recorder()
    with pytest.raises(KeyboardInterrupt):
        model().fit(X, Y, callbacks=[recorder, Fail()], verbose=0)
    assert recorder.calls[-1][0] == "on_train_end"


def test_what_a_callback_adds_to_the_figures_of_an_epoch_stays():
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["learning_rate"] = 0.5
    history = model().fit(X, Y, epochs=2, callbacks=[Adds()], verbose=0)
    assert history.history["learning_rate"] == [0.5, 0.5]


@pytest.mark.parametrize("collection", [list, tuple, iter], ids=["list", "tuple", "iterator"])
def test_callbacks_may_come_in_any_collection_and_are_called_in_its_order(collection):
    order, recorders = [], [Recorder(), Recorder()]
    for recorder in recorders:
        recorder.on_epoch_end = lambda epoch, logs, recorder=recorder: order.append(recorder)
    history = model().fit(X, Y, callbacks=collection(recorders), epochs=2, verbose=0)
    assert order == 2 * recorders
    assert recorders[0].calls == recorders[1].calls
    assert recorders[0].calls[0] == ("on_train_begin",)
    assert history.epoch == model().fit(X, Y, callbacks=collection([]), epochs=2, verbose=0).epoch == [0, 1]


def test_what_is_no_callback_is_refused():
    with pytest.raises(TypeError, match=r"callbacks derived from tinynet\.callbacks\.Callback, .* Received: 3"):
        model().fit(X, Y, callbacks=[3], verbose=0)


def test_histories_are_restored_from_their_state():
    history = model().fit(X, Y, epochs=2, verbose=0)
    state, again = history.get_state(), History()
    again.set_state(state)
    assert (again.epoch, again.history) == (history.epoch, history.history) == ([0, 1], {"loss": [5.0, 5.0]})
    again.on_epoch_end(2, {"loss": 1.0})
    history.on_epoch_end(2, {"loss": 2.0})
    assert state == {"epoch": [0, 1], "history": {"loss": [5.0, 5.0]}, "epochs_of": {"loss": [0, 1]}}
    assert again.history == {"loss": [5.0, 5.0, 1.0]}


class Failing(Callback):
    """Fails in one hook."""

    def __init__(self, hook):
        super().__init__()
        setattr(self, hook, self.fail)

    def fail(self, *args):
        raise OSError("this one")


def test_the_end_is_told_to_those_alone_that_know_of_the_beginning():
    seen = Recorder()
    with pytest.raises(OSError, match="this one"):
        model().fit(X, Y, verbose=0, callbacks=[Failing("on_train_begin"), seen])
    assert "on_train_end" not in [hook for hook, *_ in seen.calls]


def test_the_end_is_told_to_all_though_one_fails():
    seen = Recorder()
    with pytest.raises(OSError, match="this one"):
        model().fit(X, Y, verbose=0, callbacks=[Failing("on_train_end"), seen])
    assert seen.calls[-1] == ("on_train_end",)


def test_numbers_that_not_every_epoch_has_stand_at_their_epochs():
    history = model().fit(X, Y, epochs=4, validation_data=(X, Y), validation_freq=[1, 3], verbose=0)
    assert history.epochs_of["val_loss"] == [0, 2]
    assert [bool(row[-1]) for row in history.tables()[0].rows] == [True, False, True, False]
    lines = history.plot().axes[0].lines
    assert [line.get_xdata().tolist() for line in lines] == [[1, 2, 3, 4], [1, 3]]


@pytest.mark.parametrize("verbose", [1, 2])
def test_what_a_callback_adds_to_the_logs_need_be_no_number(verbose, capsys):
    noting = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(note="ok"))
    model().fit(X, Y, verbose=verbose, callbacks=[noting])
    assert "note: ok" in capsys.readouterr().out


def test_validation_batches_that_come_to_an_end_are_told():
    batches = iter([(X, Y)])
    with pytest.warns(UserWarning, match="came to an end after 0, where there were to be some"):
        model().fit(X, Y, epochs=2, validation_data=batches, verbose=0)
