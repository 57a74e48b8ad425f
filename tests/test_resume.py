"""A training that was interrupted and goes on ends as the one that was not, to the bit."""

import json
import subprocess
import sys

import numpy as np
import pytest
from forge import X, Y, trained
from layers_for_tests import Times

from tinynet import Sequential, callbacks
from tinynet.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from tinynet.files.safefile import read
from tinynet.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D
from tinynet.optimizers import SGD, AdamW, CosineDecay

EPOCHS, BATCHES = 5, 3                       # 9 samples after the split, in batches of 4, 4 and 1


class Interrupt(Callback):
    """Raises KeyboardInterrupt after so many batches."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def made():
    model = Sequential([Conv2D(3, 3, activation="relu", input_shape=(1, 6, 6)), MaxPool2D(), Dropout(0.25),
                        Sequential([Flatten(), Dropout(0.5)]),
                        Dense(3, activation="softmax", kernel_regularizer="l2")], seed=11)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model


def others(folder):
    """Return every callback that has something to lose."""
    return [EarlyStopping("val_loss", patience=3, restore_best_weights=True),
            ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.5),
            LearningRateScheduler(lambda epoch, rate: rate * 0.9),
            CSVLogger(folder / "log.csv"),
            ModelCheckpoint(folder / "best", save_best_only=True),
            ModelCheckpoint(folder / "{epoch}-{batch}", save_freq=4)]


def fit(folder, backup=None, interrupt=0, **arguments):
    """Train; return the history in order, and the bytes of every file, the model's among them."""
    folder.mkdir(exist_ok=True)
    model, extra = made(), [] if backup is None else [backup]
    history = model.fit(X, Y, callbacks=[*extra, *others(folder), Interrupt(interrupt)],
                        **{"batch_size": 4, "epochs": EPOCHS, "validation_split": 0.25, "verbose": 0, **arguments})
    model.save(folder / "final")
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return json.dumps([history.epoch, history.history]), files


def interrupted(folder, after, save_freq, **arguments):
    """Train, interrupted again and again, until it comes to its end; return the same, and how often that was."""
    for times in range(100):
        try:
            return *fit(folder, BackupAndRestore(folder / "backup", save_freq), after, **arguments), times
        except KeyboardInterrupt:
            pass
    raise AssertionError("never came to its end")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [
    pytest.param({}, id="plain"), pytest.param({"shuffle": False}, id="in order", marks=pytest.mark.long),
    pytest.param({"class_weight": {0: 2.0}, "batch_size": 2}, id="weighted", marks=pytest.mark.rest)])
@pytest.mark.parametrize(("after", "save_freq"), [
    (2, 1), (5, 3), (8, "epoch"), *(pytest.param(*case, marks=pytest.mark.rest) for case in (
        (3, 1), (5, 1), (3, 2), (6, "epoch")))])
def test_an_interrupted_training_ends_as_the_whole_one_to_the_bit(tmp_path, after, save_freq, arguments):
    history, files = fit(tmp_path / "whole", **arguments)
    again_history, again_files, times = interrupted(tmp_path / "parts", after, save_freq, **arguments)
    assert times > 0
    assert again_history == history
    assert again_files.keys() == files.keys()
    for name, raw in files.items():
        assert again_files[name] == raw, name
    assert not (tmp_path / "parts" / "backup").exists()


def test_the_backup_itself_changes_nothing(tmp_path):
    assert fit(tmp_path / "one") == fit(tmp_path / "two", BackupAndRestore(tmp_path / "backup", 1))


def test_the_place_in_the_list_does_not_matter(tmp_path):
    folders = tmp_path / "whole", tmp_path / "parts"
    expected = fit(folders[0])
    for _ in range(100):
        try:
            model = made()
            history = model.fit(X, Y, batch_size=4, epochs=EPOCHS, validation_split=0.25, verbose=0, callbacks=[
                *others(mkdir(folders[1])), BackupAndRestore(tmp_path / "backup", 1), Interrupt(4)])
            break
        except KeyboardInterrupt:
            pass
    assert json.dumps([history.epoch, history.history]) == expected[0]


def mkdir(folder):
    folder.mkdir(exist_ok=True)
    return folder


def test_two_trainings_of_one_script_need_two_folders_and_a_finished_one_leaves_none(tmp_path):
    for _ in range(2):
        fit(tmp_path / "out", BackupAndRestore(tmp_path / "backup"))
    assert not (tmp_path / "backup").exists()


def test_a_kill_before_the_first_update_or_backup_doubles_no_line_of_a_log_that_is_continued(tmp_path):
    def run(folder, interrupt):
        log = mkdir(tmp_path / folder) / "log.csv"
        if not log.exists():
            fit_mlp(tmp_path / folder / "a", CSVLogger(log), epochs=1)                  # the training before
        fit_mlp(tmp_path / folder / "b", CSVLogger(log, append=True), Interrupt(interrupt), save_freq=99)
        return log.read_bytes()
    expected = run("whole", 0)
    for after in 1, 5, 9:                                                             # of three batches an epoch
        with pytest.raises(KeyboardInterrupt):
            run("parts", after)
    assert run("parts", 0) == expected


def test_what_was_backed_up_at_the_start_alone_does_not_keep_another_training_out(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit_mlp(tmp_path, Interrupt(1))
    assert [path.name for path in tmp_path.iterdir()] == ["backup-000000000000.safetensors"]
    history = fit_mlp(tmp_path, optimizer=SGD(0.2)).history
    assert history == fit_mlp(tmp_path, optimizer=SGD(0.2)).history


def test_a_killed_start_does_not_bring_its_weights_to_the_next(tmp_path):
    def other():
        model = mlp()
        model.set_weights([array + 0.1 for array in model.get_weights()])
        return model
    expected = fit_mlp(tmp_path, model=other()).history
    with pytest.raises(KeyboardInterrupt):
        fit_mlp(tmp_path, Interrupt(1))
    assert fit_mlp(tmp_path, model=other()).history == expected


def test_kept_backups_let_a_longer_training_go_on(tmp_path):
    def keep():
        return BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
    short = made().fit(X, Y, batch_size=5, epochs=2, callbacks=[keep()], verbose=0)
    longer = made().fit(X, Y, batch_size=5, epochs=4, callbacks=[keep()], verbose=0)
    whole = made().fit(X, Y, batch_size=5, epochs=4, verbose=0)
    assert longer.history == whole.history
    assert short.history["loss"] == whole.history["loss"][:2]
    done = made().fit(X, Y, batch_size=5, epochs=4, callbacks=[keep()], verbose=0)
    assert done.history == whole.history


def test_a_training_that_a_callback_stopped_goes_on_to_stop_there(tmp_path):
    """The kill comes after the batch whose backup says that it was to be the last."""
    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 3:          # the first of two batches
                self.model.stop_training = True

    class Kill(Callback):
        def on_test_begin(self, logs=None):
            if self.model.stop_training:
                raise KeyboardInterrupt

    def run(*more):
        model, used = made(), [Stop(), *more]
        return model.fit(X, Y, batch_size=5, epochs=9, verbose=0, validation_split=0.25, callbacks=used), model

    expected, model = run()
    with pytest.raises(KeyboardInterrupt):
        run(BackupAndRestore(tmp_path, 1), Kill())
    history, again = run(BackupAndRestore(tmp_path, 1))
    assert history.history == expected.history
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_says_nothing_and_resumes_nothing_where_there_is_no_backup(tmp_path, capsys):
    assert fit(tmp_path / "one") == fit(tmp_path / "two", BackupAndRestore(tmp_path / "new" / "folder"))
    assert capsys.readouterr().out == ""


# Damage.

def left_by_a_kill(folder, after=8, save_freq=1):
    with pytest.raises(KeyboardInterrupt):
        fit(folder, BackupAndRestore(folder / "backup", save_freq), after)
    return sorted((folder / "backup").iterdir())


def test_two_backups_are_kept(tmp_path):
    paths = left_by_a_kill(tmp_path / "out")
    assert [path.name for path in paths] == ["backup-000000000006.safetensors", "backup-000000000007.safetensors"]
    assert {read(path).contents["kind"] for path in paths} == {"backup"}


@pytest.mark.parametrize("damage", [lambda raw: raw[:len(raw) // 2], lambda raw: b"", lambda raw: raw[:-9] + bytes(9),
                                    lambda raw: raw.replace(b"Adam", b"Adan")], ids=["half", "empty", "zeros", "word"])
def test_a_damaged_newest_backup_is_told_and_the_one_before_used(tmp_path, damage):
    expected = fit(tmp_path / "whole")
    newest = left_by_a_kill(tmp_path / "out")[-1]
    newest.write_bytes(damage(newest.read_bytes()))
    with pytest.warns(UserWarning, match=r"newest backup is damaged, and is left out\. .*07\.safetensors: expected"):
        again = fit(tmp_path / "out", BackupAndRestore(tmp_path / "out" / "backup", 1))
    assert again == expected


def test_where_all_are_damaged_the_training_starts_anew_and_says_so(tmp_path):
    expected = fit(tmp_path / "whole")
    for path in left_by_a_kill(tmp_path / "out"):
        path.write_bytes(b"damaged by something")
    with pytest.warns(UserWarning, match="if there is none, the training starts anew") as told:
        again = fit(tmp_path / "out", BackupAndRestore(tmp_path / "out" / "backup", 1))
    assert len(told) == 2
    assert again == expected


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / ".tinynet-0123456789abcdef.tmp").write_bytes(b"half")
    (tmp_path / "backup" / "notes.txt").write_text("mine")
    fit(tmp_path / "out", BackupAndRestore(tmp_path / "backup"))
    assert [path.name for path in (tmp_path / "backup").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(("change", "text"), [
    ({"batch_size": 5}, "expected batch_size: 5. Found: 4"),
    ({"validation_split": 0.5}, "expected samples: 6. Found: 9"),
    ({"shuffle": False}, "expected shuffle: False. Found: True"),
    ({"class_weight": {1: 2.0}}, "expected class_weight: {1: 2.0}. Found: None"),
    ({"sample_weight": np.ones(12)}, "expected sample_weight: True. Found: False"),
    ({"validation_split": 0.0, "validation_data": (X, Y)}, "expected samples: 12. Found: 9")],
    ids=["batch size", "data", "shuffle", "class weight", "sample weight", "validation"])
def test_the_backup_of_another_training_is_told(tmp_path, change, text):
    left_by_a_kill(tmp_path / "out")
    with pytest.raises(ValueError, match=r"is the backup of another training\. Give this one a folder") as error:
        fit(tmp_path / "out", BackupAndRestore(tmp_path / "out" / "backup", 1), **change)
    assert text in str(error.value)
    assert len(list((tmp_path / "out" / "backup").iterdir())) == 2      # and it is still there


def test_the_backup_of_another_model_is_told(tmp_path):
    left_by_a_kill(tmp_path / "out")
    for model, text in ((trained(), r"tensor 'conv2d_1/kernel', float32 \(2, 1, 3, 3\)"),
                        (made(), "state of the optimizer SGD")):
        model.compile("sgd", "categorical_crossentropy")
        before = model.get_weights()
        with pytest.raises(ValueError, match=text):
            model.fit(X[:9], Y[:9], batch_size=4, callbacks=[BackupAndRestore(tmp_path / "out" / "backup")], verbose=0)
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def mlp(activation="relu", rate=0.25, factor=2.0, rule=None, frozen=False, initializer="zeros"):
    model = Sequential([Dense(4, activation=activation, input_dim=6, trainable=not frozen, kernel_regularizer=rule,
                              bias_initializer=initializer),
                        Sequential([Dropout(rate), Times(factor)]), Dense(3, activation="softmax")], seed=3)
    return model


def fit_mlp(folder, *more, model=None, optimizer=None, loss="categorical_crossentropy", metrics=(), save_freq=2,
            **arguments):
    model = model or mlp()
    model.compile(optimizer or SGD(0.1), loss, metrics)
    return model.fit(X[:, 0, 0], Y, **{"batch_size": 4, "epochs": 3, "verbose": 0, **arguments},
                     callbacks=[BackupAndRestore(folder, save_freq), *more])


@pytest.mark.parametrize(("change", "text"), [
    (lambda: {"model": mlp(activation="tanh")}, "expected dense_1, activation: Tanh(). Found: ReLU("),
    (lambda: {"model": mlp(rate=0.5)}, "expected sequential_1/dropout_1, rate: 0.5. Found: 0.25"),
    (lambda: {"model": mlp(factor=3.0)}, "expected sequential_1/times_1, factor: 3.0. Found: 2.0"),
    (lambda: {"model": mlp(rule="l1")}, "expected dense_1, kernel_regularizer: L1(l1=0.01). Found: None"),
    (lambda: {"model": mlp(initializer=lambda shape, rng: np.ones(shape))}, "expected dense_1, "),
    (lambda: {"model": mlp(frozen=True)}, "expected dense_1, trainable: False. Found: True"),
    (lambda: {"optimizer": SGD(0.2)}, "expected optimizer, learning_rate: 0.2. Found: 0.1"),
    (lambda: {"optimizer": SGD(0.1, clipnorm=1.0)}, "expected optimizer, clipnorm: 1.0. Found: None"),
    (lambda: {"optimizer": SGD(0.1, 0.9)}, "expected optimizer, momentum: 0.9. Found: 0.0"),
    (lambda: {"loss": "mse"}, "expected loss: MeanSquaredError(). Found: CategoricalCrossentropy(from_logits=False, "
     "label_smoothing=0.0)"),
    (lambda: {"metrics": ["mse"]}, "expected metrics: ['mse']. Found: []"),
    (lambda: {"validation_data": (X[:, 0, 0], Y)}, "expected validation_samples: 12. Found: 0")],
    ids=["activation", "rate", "a layer of one's own", "regularizer", "function", "frozen", "learning rate", "clipnorm",
         "momentum", "loss", "metrics", "validation"])
def test_the_backup_of_a_training_with_one_other_setting_is_told_by_its_name(tmp_path, change, text):
    with pytest.raises(KeyboardInterrupt):
        fit_mlp(tmp_path, Interrupt(5))
    with pytest.raises(ValueError, match="is the backup of another training") as error:
        fit_mlp(tmp_path, **change())
    assert text in str(error.value)


@pytest.mark.parametrize("callback", [lambda: LearningRateScheduler(lambda epoch, rate: rate * 0.9),
                                      lambda: ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=9.0)])
def test_the_learning_rate_may_change_as_training_goes_and_the_same_model_go_on(tmp_path, callback):
    expected = fit_mlp(tmp_path, callback(), epochs=4).history
    model = mlp()
    with pytest.raises(KeyboardInterrupt):
        fit_mlp(tmp_path, callback(), Interrupt(8), model=model, epochs=4)
    assert model.optimizer.learning_rate < 0.1
    history = model.fit(X[:, 0, 0], Y, batch_size=4, epochs=4, verbose=0,
                        callbacks=[callback(), BackupAndRestore(tmp_path, 2)])              # the cell, run again
    assert history.history == expected


def test_a_learning_rate_that_was_set_after_an_interruption_is_told(tmp_path):
    model = mlp()
    with pytest.raises(KeyboardInterrupt):
        fit_mlp(tmp_path, Interrupt(5), model=model)
    model.optimizer.learning_rate = 0.01
    with pytest.raises(ValueError, match=r"expected optimizer, learning_rate: 0\.01\. Found: 0\.1"):
        model.fit(X[:, 0, 0], Y, batch_size=4, epochs=3, verbose=0, callbacks=[BackupAndRestore(tmp_path, 2)])


def test_a_list_that_a_callback_appends_to_is_restored_once(tmp_path):
    class Begun(Callback):
        state_names = ("epochs",)

        def __init__(self):
            super().__init__()
            self.epochs = []

        def on_epoch_begin(self, epoch, logs=None):
            self.epochs.append(epoch)
    with pytest.raises(KeyboardInterrupt):
        fit_mlp(tmp_path, Begun(), Interrupt(5))
    fit_mlp(tmp_path, begun := Begun())
    assert begun.epochs == [0, 1, 2]


def test_other_callbacks_than_before_are_told(tmp_path):
    left_by_a_kill(tmp_path / "out")
    with pytest.warns(UserWarning, match=r"the callbacks of the backup, \[.*'EarlyStopping 1'.*Received: \['Hist"):
        made().fit(X, Y, batch_size=4, epochs=EPOCHS, verbose=0, validation_split=0.25,
                   callbacks=[BackupAndRestore(tmp_path / "out" / "backup", 1)])


def test_a_state_that_cannot_be_stored_is_told_and_named(tmp_path):
    class Odd(Callback):
        def get_state(self):
            return {"handle": object()}
    with pytest.raises(TypeError, match="state/run/callbacks/Odd 1/handle: expected scalars, strings, arrays"):
        made().fit(X, Y, callbacks=[Odd(), BackupAndRestore(tmp_path)], verbose=0)


def test_callbacks_of_your_own_get_their_state_back(tmp_path):
    class Counter(Callback):
        state_names = ("seen", "losses", "rows", "found")

        def __init__(self):
            super().__init__()
            self.seen, self.losses, self.rows = 0, {"b": [], "a": []}, np.zeros((0, 2))
            self.found = (1, np.float32(0.1), None, float("inf"), "word")

        def on_train_batch_end(self, batch, logs=None):
            self.seen += 1
            self.losses["b"].append(logs["loss"])
            self.rows = np.concatenate([self.rows, [[batch, self.seen]]])

    def run(*more):
        counter = Counter()
        made().fit(X, Y, batch_size=4, epochs=3, callbacks=[counter, *more], verbose=0)
        return counter
    with pytest.raises(KeyboardInterrupt):
        run(BackupAndRestore(tmp_path, 2), Interrupt(5))
    again, expected = run(BackupAndRestore(tmp_path, 2)), run()
    assert (again.seen, again.losses, list(again.losses)) == (expected.seen, expected.losses, ["b", "a"])
    np.testing.assert_array_equal(again.rows, expected.rows)
    assert again.found == [1, np.float32(0.1), None, float("inf"), "word"]
    assert type(again.found[1]) is np.float32


@pytest.mark.slow
@pytest.mark.parametrize("kept", [
    pytest.param(lambda: [0.1234567890123456 + n for n in range(230_000)], id="losses", marks=pytest.mark.long),
    pytest.param(lambda: [np.float32(n) for n in range(30_000)], id="scalars of NumPy", marks=pytest.mark.long),
    pytest.param(lambda: [np.full(3, n) for n in range(30_000)], id="arrays")])
def test_a_callback_may_keep_a_great_deal(tmp_path, kept):
    class Keeps(Callback):
        state_names = ("kept",)
    keeps, expected = Keeps(), kept()
    keeps.kept = [*expected, expected[0]]
    with pytest.raises(KeyboardInterrupt):
        fit_mlp(tmp_path, keeps, Interrupt(2), epochs=1, save_freq=9)
    keeps.kept = None
    fit_mlp(tmp_path, keeps, epochs=1, save_freq=9)
    assert len(keeps.kept) == len(expected) + 1
    assert type(keeps.kept[1]) is type(expected[1])
    np.testing.assert_array_equal(keeps.kept[-2:], [expected[-1], expected[0]])


@pytest.mark.slow
def test_a_history_may_have_many_epochs(tmp_path):
    class Long(Callback):
        def on_train_begin(self, logs=None):
            self.model.history.epoch = list(range(60_000))
            self.model.history.history = {key: [0.1234567890123456] * 60_000 for key in ("loss", "mse", "val_loss")}
    with pytest.raises(KeyboardInterrupt):
        fit_mlp(tmp_path, Long(), Interrupt(2), save_freq=9)
    history = fit_mlp(tmp_path, epochs=0)
    assert len(history.history["val_loss"]) == len(history.epoch) == 60_000


def test_of_two_trainings_in_one_folder_at_once_the_second_is_told_and_the_first_goes_on(tmp_path):
    class Again(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            with pytest.raises(ValueError, match=r"is in use by another training that runs now, in process \d+\. Give"):
                fit_mlp(tmp_path)
    assert fit_mlp(tmp_path, Again()).history == fit_mlp(tmp_path).history
    assert not tmp_path.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked there")
@pytest.mark.slow
def test_a_folder_is_free_again_when_the_process_that_used_it_is_killed(tmp_path):
    code = ("import sys, time; from pathlib import Path; from tinynet.files.in_use import InUse\n"
            "used = InUse(Path(sys.argv[1])); used.begin(); print('begun', flush=True); time.sleep(20)")
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with pytest.raises(ValueError, match=f"in use by another training that runs now, in process {process.pid}"):
            fit_mlp(tmp_path)
        process.kill()
    fit_mlp(tmp_path)


def test_a_callback_that_keeps_more_than_before_is_told(tmp_path):
    class Keeps(Callback):
        state_names = ("one",)
        one, two = 1, 2
    with pytest.raises(KeyboardInterrupt):
        fit_mlp(tmp_path, keeps := Keeps(), Interrupt(5))
    keeps.state_names, keeps.one = ("one", "two"), 3
    with pytest.warns(UserWarning, match="^Keeps: two starts anew, as the state that is restored"):
        fit_mlp(tmp_path, keeps)
    assert (keeps.one, keeps.two) == (1, 2)


def test_a_callback_that_cannot_take_its_state_is_told_and_named(tmp_path):
    class Odd(Callback):
        def get_state(self):
            return {"a": 1}

        def set_state(self, state):
            state["b"]
    with pytest.raises(KeyboardInterrupt):
        fit_mlp(tmp_path, Odd(), Interrupt(5))
    with pytest.raises(ValueError, match=r"^Odd 1: set_state cannot take what get_state returned .*KeyError\('b'\)"):
        fit_mlp(tmp_path, Odd())


def test_nothing_is_backed_up_after_a_batch_whose_loss_is_no_number(tmp_path, monkeypatch):
    backup, saved = BackupAndRestore(tmp_path, save_freq=2), []
    monkeypatch.setattr(backup, "save", lambda: saved.append(backup.unsaved))
    for loss in (1.0, np.nan, np.inf, 2.0):
        backup.on_train_batch_end(0, {"loss": loss})
    assert saved == [4]                                              # once it is a number again


def test_weights_that_are_no_numbers_are_not_backed_up(tmp_path):
    model = Sequential([Dense(1, use_bias=False, input_dim=1)], seed=0)
    model.compile("sgd", "mse")
    def spoil(batch, logs):
        if batch == 2:
            model.params["dense_1/kernel"][:] = np.nan
    with pytest.raises(callbacks.TrainingDiverged):
        model.fit(np.ones((9, 1)), np.ones((9, 1)), batch_size=1, verbose=0, shuffle=False,
                  callbacks=[LambdaCallback(on_train_batch_end=spoil), BackupAndRestore(tmp_path, 1)])
    assert [read(path).contents["state"]["run"]["batch"] for path in sorted(tmp_path.iterdir())] == [1, 2]


@pytest.mark.parametrize("save_freq", [0, -1, 1.5, "batch", True, None])
def test_save_freq_is_checked(save_freq):
    with pytest.raises(ValueError, match=r"Invalid value for argument `save_freq`\. Received: save_freq=.*\. Expected"):
        BackupAndRestore("x", save_freq)
    with pytest.raises(ValueError, match=r"Unrecognized save_freq: .*\. Expected save_freq are 'epoch' or integer"):
        ModelCheckpoint("x", save_freq=save_freq)
    with pytest.raises(ValueError, match="Empty `backup_dir` argument passed"):
        BackupAndRestore("")


def test_progress_after_a_resume_counts_from_where_it_is(tmp_path, capsys):
    left_by_a_kill(tmp_path / "out", after=5)
    fit(tmp_path / "out", BackupAndRestore(tmp_path / "out" / "backup", 1), verbose=2)
    assert [line.split(" - ")[0] for line in capsys.readouterr().out.splitlines()][:2] == ["Epoch 2/5", "Epoch 3/5"]


def test_running_means_of_the_weights_and_a_schedule_go_on_to_the_bit(tmp_path):
    def fit(folder, *more):
        model = mlp()
        fit_mlp(folder, *more, model=model, save_freq=2, epochs=3,
                optimizer=AdamW(CosineDecay(0.05, 9), use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=4))
        return model.get_weights()
    whole, times = fit(tmp_path / "whole"), 0
    while True:
        try:
            again = fit(tmp_path / "interrupted", Interrupt(4))
            break
        except KeyboardInterrupt:
            times += 1
    assert times >= 2
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one, other)
