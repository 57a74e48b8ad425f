"""Whatever happens while a file is written: the old one or the new one is there, whole, and an error says why."""

import errno
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from forge import trained

from tinynet import Sequential, load_model
from tinynet.files import atomic
from tinynet.layers import Dense

SAVE_FOR_EVER = """
import sys, numpy as np
from tinynet import Sequential
from tinynet.layers import Dense
models = [Sequential([Dense(400, input_dim=400, kernel_initializer=kind)]) for kind in ("zeros", "ones")]
print("saving", flush=True)
while True:
    for model in models:
        model.save(sys.argv[1])
"""


def whole(path):
    """Tell which of the two models a file is, all of it."""
    kernel = load_model(path).get_weights()[0]
    assert (kernel == kernel[0, 0]).all()
    return kernel[0, 0]


def kill_while_saving(path, kills):
    """Kill a process that saves two models in turn, at random moments; return how often each was found."""
    rng = np.random.default_rng()
    found = {0.0: 0, 1.0: 0}
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", SAVE_FOR_EVER, path], stdout=subprocess.PIPE)
        try:
            process.stdout.readline()
            deadline = time.monotonic() + 30
            while not path.exists() and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.02))
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        found[whole(path)] += 1
    return found


def only(folder, name):
    """Tell whether a folder has one file beside what kills left, which is named so that nobody takes it for a model."""
    left = re.compile(re.escape(atomic.TEMPORARY).replace(r"\{\}", "[0-9a-f]{16}"))
    return [path.name for path in folder.iterdir() if not left.fullmatch(path.name)] == [name]


@pytest.mark.slow
def test_a_kill_while_saving_leaves_no_half_file(tmp_path):
    kill_while_saving(tmp_path / "m", 5)
    assert only(tmp_path, "m")


@pytest.mark.long
def test_two_hundred_kills_while_saving_leave_no_half_file(tmp_path):
    found = kill_while_saving(tmp_path / "m", 200)
    assert only(tmp_path, "m")
    assert min(found.values()) > 20


@pytest.fixture
def saved(tmp_path):
    """Return the path of a saved model, and its bytes."""
    path = tmp_path / "m"
    trained().save(path)
    return path, path.read_bytes()


def unchanged(path, raw):
    return path.read_bytes() == raw and list(path.parent.iterdir()) == [path]


def test_a_disk_that_is_full_half_way_leaves_the_old_file_and_nothing_else(saved):
    path, raw = saved
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))             # the system takes 1000 bytes and no more
    try:
        with pytest.raises(OSError, match=r"m: could not be written \(File too large\). What was there is unchanged"):
            trained(seed=1).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert unchanged(path, raw)


@pytest.mark.parametrize(("function", "code", "text"), [
    ("fsync", errno.ENOSPC, "No space left on device"), ("fsync", errno.EIO, "Input/output error"),
    ("replace", errno.EROFS, "Read-only file system")])
def test_an_error_of_the_disk_leaves_the_old_file_and_nothing_else(saved, monkeypatch, function, code, text):
    def fail(*args):
        raise OSError(code, os.strerror(code))
    path, raw = saved
    monkeypatch.setattr(os, function, fail)
    with pytest.raises(OSError, match=text) as error:
        trained(seed=1).save(path)
    assert error.value.errno == code
    monkeypatch.undo()
    assert unchanged(path, raw)


def test_ctrl_c_while_saving_leaves_the_old_file_and_nothing_else(saved, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt
    path, raw = saved
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        trained(seed=1).save(path)
    monkeypatch.undo()
    assert unchanged(path, raw)


def test_a_read_only_folder_is_told():
    with tempfile.TemporaryDirectory() as folder:                      # not tmp_path, which is root's own
        path, model, user = Path(folder, "m"), trained(seed=1), os.geteuid()
        trained().save(path)
        raw = path.read_bytes()
        os.chmod(folder, 0o555)
        if user == 0:                                                  # root may write everywhere; nobody may not
            os.seteuid(65534)
        try:
            with pytest.raises(PermissionError, match=r"m: could not be written \(Permission denied\)\. What was"):
                model.save(path)
        finally:
            os.seteuid(user)
            os.chmod(folder, 0o755)
        assert unchanged(path, raw)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder where nobody may write")
def test_a_folder_where_nobody_may_write_is_told():
    with pytest.raises(OSError, match="could not be written"):
        trained().save("/proc/self/m")


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"could not be written \(there is no folder .*none\)"):
        trained().save(tmp_path / "none" / "m")
    with pytest.raises(OSError, match="could not be written"):
        trained().save(tmp_path)                                       # a folder itself
    assert list(tmp_path.iterdir()) == []


def test_two_writers_at_once_leave_one_whole_file(tmp_path):
    models = [Sequential([Dense(300, input_dim=300, kernel_initializer=kind)]) for kind in ("zeros", "ones")]
    writers = [threading.Thread(target=lambda model=model: [model.save(tmp_path / "m") for _ in range(20)])
               for model in models]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if (tmp_path / "m").exists():
            whole(tmp_path / "m")                                       # a reader sees no half file either
    assert whole(tmp_path / "m") in (0, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def fifo(path):
    os.mkfifo(path)


def socket_at(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def device(path):
    path.symlink_to(os.ttyname(os.openpty()[1]))         # no real one: it could be replaced by a mistake


@pytest.mark.parametrize("make", [fifo, socket_at, device])
@pytest.mark.parametrize("save", ["save", "save_weights"])
def test_what_is_no_file_is_told_and_stays(tmp_path, make, save):
    path = tmp_path / "m"
    make(path)
    kind = stat.S_IFMT(path.stat().st_mode)
    with pytest.raises(ValueError, match=r"m: expected the path of a file\. Received: a pipe, a socket or a device"):
        getattr(trained(), save)(path)
    assert stat.S_IFMT(path.stat().st_mode) == kind
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_flushed_is_no_error_as_the_file_is_there(tmp_path, monkeypatch):
    real = os.fsync

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)
    monkeypatch.setattr(os, "fsync", fsync)
    trained().save(tmp_path / "m")
    load_model(tmp_path / "m")


def test_a_folder_that_may_be_written_and_not_read_is_no_error():
    with tempfile.TemporaryDirectory() as folder:                      # not tmp_path, which is root's own
        path, model, user = Path(folder, "m"), trained(), os.geteuid()
        os.chmod(folder, 0o333)
        if user == 0:                                                  # root may read everywhere; nobody may not
            os.seteuid(65534)
        try:
            model.save(path)
        finally:
            os.seteuid(user)
            os.chmod(folder, 0o755)
        load_model(path)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "m")
    trained().save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["m"]


def test_files_have_the_rights_that_new_files_have(tmp_path):
    (tmp_path / "other").touch()
    trained().save(tmp_path / "m")
    assert (tmp_path / "m").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_file_and_folder_are_flushed_before_and_after_the_rename(tmp_path, monkeypatch):
    calls, real = [], {name: getattr(os, name) for name in ("fsync", "replace")}
    for name in real:
        monkeypatch.setattr(os, name, lambda *args, name=name: (calls.append(name), real[name](*args)))
    trained().save(tmp_path / "m")
    assert calls == ["fsync", "replace", "fsync"]
