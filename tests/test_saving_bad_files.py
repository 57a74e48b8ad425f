"""Files that are not what they should be: each fault told, which tensor, expected, found; no model comes of it."""

import copy
import io
import json
import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from forge import X, checksums, put_together, signed, taken_apart, trained
from safetensors.numpy import load_file, save_file

from tinynet import load_model
from tinynet.files import safefile
from tinynet.files.safefile import SavedFileError


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "m"
    trained().save(path)
    return path.read_bytes()


def zipped():
    data = io.BytesIO()
    np.savez(data, a=np.ones(3))
    return data.getvalue()


OTHERS = {
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(200), r"an HDF5 file, such as Keras writes"),
    "zip": (zipped(), r"a zip archive, such as Keras \(\.keras\)"),
    "pickle": (b"\x80\x04" + bytes(100), "a pickle"),
    "npy": (b"\x93NUMPY\x01\x00" + bytes(100), r"an array of NumPy's \(\.npy\)"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123\n",
                "a pointer of Git LFS.*git lfs pull"),
    "HTML": (b"\n <!DOCTYPE HTML><html><body>404</body></html>", r"a web page \(HTML\)"),
    "gzip": (b"\x1f\x8b" + bytes(100), "a gzip file"),
    "JSON": (b'{"class_name": "Sequential"}', r"text \(JSON\)"),
}


@pytest.mark.parametrize("read", [load_model, lambda path: trained().load_weights(path)], ids=["model", "weights"])
@pytest.mark.parametrize(("data", "kind"), OTHERS.values(), ids=OTHERS.keys())
def test_a_file_of_another_format_is_called_what_it_looks_like(tmp_path, read, data, kind):
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(SavedFileError, match=rf"m: expected a file that tinynet wrote\. Found: what looks like {kind}"):
        read(tmp_path / "m")


def with_header(raw, change):
    header, document, data = taken_apart(raw)
    change(header)
    return put_together(header, document, data)


def with_text(raw, change):
    """Change the header's text."""
    size = int.from_bytes(raw[:8], "little")
    text = change(raw[8:8 + size])
    return len(text).to_bytes(8, "little") + text + raw[8 + size:]


def with_document(raw, change):
    """Change the document, with checksums that fit."""
    header, document, data = taken_apart(raw)
    change(document)
    return signed(header, document, data)


def with_contents(raw, change):
    """Change the contents, with checksums that fit."""
    return with_document(raw, lambda document: change(document["contents"]))


def setting(*keys, to):
    """Return a function that sets an entry deep inside."""
    def change(place):
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = to
    return change


def layers(raw, new, **more):
    def change(contents):
        contents["model"]["config"].update(layers=new, **more)
    return with_contents(raw, change)


def entry(name, **config):
    return {"class": name, "config": config}


def nested(depth):
    one = entry("ReLU")
    for _ in range(depth):
        one = entry("Sequential", layers=[one])
    return [one]


K = "conv2d_1/kernel"          # F32 (2, 1, 3, 3), the 72 bytes of data it has
LAYERS = "model", "config", "layers"
ADAM, GENERATORS = ("state", "optimizer"), ("state", "generators")

FORM = {
    "empty": (lambda raw: b"", "expected 8 to 2,147,483,648 bytes. Found: 0."),
    "too short": (lambda raw: raw[:7], "expected 8 to 2,147,483,648 bytes. Found: 7."),
    "cut in the header": (lambda raw: raw[:100], "expected a header of 2 to 92 bytes. Found: a declared"),
    "cut in the data": (lambda raw: raw[:-1], "bytes of data, as its header declares. Found:"),
    "longer than it says": (lambda raw: raw + b"\0", "bytes of data, as its header declares. Found:"),
    "huge header": (lambda raw: (2**63).to_bytes(8, "little") + raw[8:],
                    "Found: a declared 9,223,372,036,854,775,808."),
    "header of nothing": (lambda raw: bytes(8) + raw, "expected a header of 2 to"),
    "no JSON": (lambda raw: with_text(raw, lambda t: b"x" + t),
                "expected a header of strict JSON. Found: Expecting value"),
    "no UTF-8": (lambda raw: with_text(raw, lambda t: b"\xff" + t), "expected a header of strict JSON. Found: 'utf-8'"),
    "UTF-16": (lambda raw: with_text(raw, lambda t: t.decode().encode("utf-16")), "strict JSON"),
    "NaN": (lambda raw: with_text(raw, lambda t: b'{"a": NaN}'), "strict JSON. Found: NaN."),
    "an infinite number": (lambda raw: with_text(raw, lambda t: b'{"a": [1e999]}'), "strict JSON. Found: 1e999."),
    "nesting": (lambda raw: with_text(raw, lambda t: b'{"a":' + b"[" * 101 + b"]" * 101 + b"}"), "deeper than 100"),
    "a number without end": (lambda raw: with_text(raw, lambda t: b'{"a":' + b"9" * 5000 + b"}"), "strict JSON"),
    "deep nesting": (lambda raw: with_text(raw, lambda t: b"[" * 100_000 + b"]" * 100_000),
                     "Found: nesting deeper than 100."),
    "a tensor twice": (lambda raw: with_text(raw, lambda t: t.rstrip()[:-1] + b',"a":{},"a":{}}'),
                       "strict JSON. Found: the key 'a' 2 times."),
    "a list": (lambda raw: with_text(raw, lambda t: b"[]"), "expected a header {name: ...}. Found: list."),
    "another's file": (lambda raw: with_text(raw, lambda t: b'{"__metadata__": {"format": "pt"}}'),
                       "expected a file that tinynet wrote, with 'tinynet' in its metadata. Found: another's, or"),
    "no metadata": (lambda raw: with_text(raw, lambda t: b"{}"), "expected a file that tinynet wrote"),
    "unknown dtype": (lambda raw: with_header(raw, setting(K, "dtype", to="F8")),
                      f"expected tensor '{K}' of a dtype among F64, F32, F16, I64, I32, I16, I8, U64, U32, U16, U8, "
                      f"BOOL. Found: 'F8'."),
    "dtype in a list": (lambda raw: with_header(raw, setting(K, "dtype", to=["F32"])),
                        f"expected tensor '{K}' of a dtype"),
    "negative size": (lambda raw: with_header(raw, setting(K, "shape", to=[-1, 2])),
                      "at most 32 sizes, whole numbers from 0"),
    "half a size": (lambda raw: with_header(raw, setting(K, "shape", to=[1.5])),
                    "at most 32 sizes, whole numbers from 0"),
    "33 axes": (lambda raw: with_header(raw, setting(K, "shape", to=[1] * 33)),
                "at most 32 sizes, whole numbers from 0"),
    "huge tensor": (lambda raw: with_header(raw, setting(K, "shape", to=[2**60, 2])),
                    "of at most 2,147,483,648 numbers"),
    "huge empty tensor": (lambda raw: with_header(raw, setting(K, "shape", to=[0, 2**60])),
                          "of at most 2,147,483,648 numbers"),
    "more bytes than numbers": (lambda raw: with_header(raw, setting(K, "shape", to=[2, 1, 3, 2])),
                                f"expected tensor '{K}', F32 (2, 1, 3, 2), of 48 bytes. Found: 72."),
    "one offset": (lambda raw: with_header(raw, setting(K, "data_offsets", to=[0])),
                   "from one byte of the data to another"),
    "offsets backwards": (lambda raw: with_header(raw, setting(K, "data_offsets", to=[80, 8])),
                          "of 72 bytes. Found: -72."),
    "overlap": (lambda raw: with_header(raw, setting(K, "data_offsets", to=[0, 72])), "to start at byte"),
    "gap": (lambda raw: with_header(raw, setting(K, "data_offsets", to=[2**40, 2**40 + 72])), "to start at byte"),
    "no shape": (lambda raw: with_header(raw, lambda h: h[K].pop("shape")),
                 f"expected tensor '{K}' with dtype, shape and"),
    "more than shape": (lambda raw: with_header(raw, setting(K, "evil", to=1)),
                        "with dtype, shape and data_offsets. Found:"),
}

CONTENTS = {
    "a later format": (lambda raw: with_document(raw, setting("format", to=2)),
                       "expected format 1, the only one this version of tinynet reads. Found: 2."),
    "no checksums": (lambda raw: signed(*taken_apart(raw), arrays=[]), "expected checksums of the tensors ['"),
    "a checksum missing": (lambda raw: signed(*taken_apart(raw), arrays={K: "0"}), "checksums of the tensors ['"),
    "a checksum too many": (
        lambda raw: signed(*taken_apart(raw), arrays={**checksums(*taken_apart(raw)[::2]), "x": "0"}),
        "checksums of the tensors ['"),
    "no words for checksums": (lambda raw: signed(*taken_apart(raw), arrays=dict.fromkeys(taken_apart(raw)[0], 1)),
                               "with the checksum 1. Found:"),
    "no contents": (lambda raw: with_document(raw, lambda document: document.pop("contents")),
                    "expected a document of kind, params, layer_state and state. Found: None."),
    "unknown layer": (lambda raw: layers(raw, [entry("os.system", command="ls")]), "Unknown layer 'os.system'."),
    "a module's function": (lambda raw: layers(raw, [entry("subprocess.Popen", args=["ls"])]),
                            "Unknown layer 'subprocess"),
    "nearly a layer": (lambda raw: layers(raw, [entry("Dens", units=3)]),
                       "Unknown layer 'Dens'. Did you mean 'Dense'?"),
    "no layer": (lambda raw: layers(raw, [entry("Adam")]),
                 "Sequential: expected a layer. Received: <tinynet.optimizers.adam.Adam"),
    "an argument too many": (lambda raw: layers(raw, [entry("Dense", units=3, evil=1)]),
                             "Dense: expected no argument 'evil'."),
    "an argument too few": (lambda raw: layers(raw, [entry("Dense")]),
                            "missing 1 required positional argument: 'units'"),
    "a dict for a config": (lambda raw: layers(raw, [{"class": "Dense"}]), "expected a config of finite numbers"),
    "no model": (lambda raw: with_contents(raw, setting("model", to=entry("Dense", units=3))),
                 "expected a Sequential."),
    "nothing for a model": (lambda raw: with_contents(raw, setting("model", to=None)),
                            "expected a model's config. Found: None."),
    "more units than the file has": (lambda raw: layers(raw, [entry("Flatten"), entry("Dense", units=10**12)]),
                                     "expected at most 141 parameters more. Received: the shape (36, 1000000000000)."),
    "more weights by another way": (lambda raw: layers(raw, [entry("Conv2D", filters=10**9, kernel_size=1)]),
                                    "expected at most 141 parameters more."),
    "many layers": (lambda raw: layers(raw, [entry("ReLU")] * 1001), "lists (of at most 1,000)"),
    "many layers in models": (lambda raw: layers(raw, [entry("Sequential", layers=[entry("ReLU")] * 999)] * 4),
                              "(at most 3,000)"),
    "models in models": (lambda raw: layers(raw, nested(25)), "at most 40 deep"),
    "another layer": (lambda raw: with_contents(raw, setting(*LAYERS, 4, "config", "units", to=2)),
                      "expected tensor 'dense_1/kernel', float32 (8, 2). Found: float32 (8, 3)."),
    "another optimizer": (lambda raw: with_contents(raw, setting("compiled", "optimizer", to=entry("SGD"))),
                          "expected the state of the optimizer SGD. Found: Adam"),
    "unknown optimizer": (lambda raw: with_contents(raw, setting("compiled", "optimizer", to=entry("Evil"))),
                          "Unknown"),
    "a layer for a loss": (lambda raw: with_contents(raw, setting("compiled", "loss", to=entry("Adam"))),
                           "Expected a loss"),
    "unknown metric": (lambda raw: with_contents(raw, setting("compiled", "metrics", to=["eval"])),
                       "Unknown metric 'eval'."),
    "updates below 0": (lambda raw: with_contents(raw, setting(*ADAM, "iterations", to=-1)),
                        "expected a count of updates."),
    "a word for a rate": (lambda raw: with_contents(raw, setting(*ADAM, "learning_rate", to="x")),
                          "expected learning_rate"),
    "no moments": (lambda raw: with_contents(raw, setting(*ADAM, "slots", to={})),
                   "tensors of weights and of the state alone"),
    "generator of another kind": (lambda raw: with_contents(raw, setting(*GENERATORS, "states", to=[{"a": 1}])),
                                  "expected the state of a PCG64 generator."),
    "too few generators": (lambda raw: with_contents(raw, setting(*GENERATORS, "of", to=[0])),
                           "of 2 layers. Found: [0]"),
    "no such array": (lambda raw: with_contents(raw, setting(*ADAM, "iterations", to={"$array": "x"})),
                      "arrays are in the file"),
    "parameters unnamed": (lambda raw: with_contents(raw, setting("params", to=[])),
                           "and of the state alone. Found: tensor"),
}


def refuse(path, raw, text):
    """Have a file refused, soon and in little memory."""
    path.write_bytes(raw)
    start = time.process_time()                      # of this process: others may use the machine
    tracemalloc.start()
    try:
        with pytest.raises(SavedFileError) as error:
            load_model(path)
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()
    assert text in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert len(str(error.value)) < 2000
    assert time.process_time() - start < 5


@pytest.mark.parametrize(("change", "text"), FORM.values(), ids=FORM.keys())
def test_what_is_no_such_file_is_told(tmp_path, raw, change, text):
    refuse(tmp_path / "m", change(raw), text)


@pytest.mark.parametrize(("change", "text"), CONTENTS.values(), ids=CONTENTS.keys())
def test_contents_that_make_no_model_are_told_even_with_checksums_that_fit(tmp_path, raw, change, text):
    refuse(tmp_path / "m", change(raw), text)


def tensors(*offsets):
    """Return a header of float32 tensors a, b, ... that lie from one byte to another."""
    return {name: {"dtype": "F32", "shape": [(end - start) // 4], "data_offsets": [start, end]}
            for name, (start, end) in zip("abc", offsets, strict=False)}


@pytest.mark.parametrize(("header", "size", "text"), [
    (tensors((0, 8), (0, 8)), 8, r"tensor 'b' to start at byte 8 of the data, where the one before ends\. Found: 0\."),
    (tensors((0, 8), (4, 12)), 12, r"tensor 'b' to start at byte 8 .* Found: 4\."),
    (tensors((0, 8), (12, 16)), 16, r"tensor 'b' to start at byte 8 .* Found: 12\."),
    (tensors((4, 8)), 8, r"tensor 'a' to start at byte 0 .* Found: 4\."),
    (tensors((0, 8)), 12, r"expected 8 bytes of data, as its header declares\. Found: 12\."),
    ({"a": {**tensors((0, 4))["a"], "shape": [True]}}, 4, r"sizes, whole numbers from 0\. Found: \[True\]\."),
    ({"a": {**tensors((0, 4))["a"], "data_offsets": [False, 4]}}, 4, "from one byte of the data to another"),
])
def test_tensors_that_do_not_lie_end_to_end_are_told(header, size, text):
    with pytest.raises(SavedFileError, match=text):
        safefile.table("m", header, size)


TENSORS = {
    "missing": (lambda arrays: arrays.pop(K), f"expected tensor '{K}', float32 (2, 1, 3, 3). Found: no such tensor."),
    "too many": (lambda arrays: arrays.update(evil=np.ones(3)), "Found: tensor 'evil' as well."),
    "shape": (lambda arrays: arrays.update({K: arrays[K].reshape(2, 3, 3)}),
              f"expected tensor '{K}', float32 (2, 1, 3, 3). Found: float32 (2, 3, 3)."),
    "dtype": (lambda arrays: arrays.update({K: arrays[K].astype(np.float64)}),
              f"expected tensor '{K}', float32 (2, 1, 3, 3). Found: float64 (2, 1, 3, 3)."),
    "transposed moments": (lambda arrays: arrays.update({SLOT: np.ascontiguousarray(arrays[SLOT].T)}),
                           "expected slot 'm' of 'dense_1/kernel', float32 (8, 3). Found: float32 (3, 8)"),
    "moments missing": (lambda arrays: arrays.pop(SLOT),
                        "expected a state whose arrays are in the file. Found: KeyError"),
    "one number": (lambda arrays: arrays[K].__setitem__((0, 0, 0, 0), 0.0),
                   f"expected tensor '{K}' with the checksum "),
}
SLOT = "state/optimizer/slots/dense_1/kernel/m"


@pytest.mark.parametrize(("change", "text"), TENSORS.values(), ids=TENSORS.keys())
def test_tensors_changed_with_another_tool_are_told_by_name(tmp_path, raw, change, text):
    path = tmp_path / "m"
    path.write_bytes(raw)
    arrays, metadata = load_file(path), json.loads(raw[8:8 + int.from_bytes(raw[:8], "little")])["__metadata__"]
    change(arrays)
    save_file(arrays, path, metadata)
    refuse(path, path.read_bytes(), text)


@pytest.mark.slow
def test_every_flipped_bit_is_noticed_or_does_not_matter(tmp_path, raw):
    path, expected = tmp_path / "m", trained().get_weights()
    rng = np.random.default_rng(0)
    noticed = 0
    for bit in rng.choice(8 * len(raw), 300, replace=False):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            model = load_model(path)
        except SavedFileError:
            noticed += 1
        else:
            for a, b in zip(model.get_weights(), expected, strict=True):
                np.testing.assert_array_equal(a, b)
    assert noticed >= 299


def test_damaged_settings_are_noticed_by_the_documents_checksum(tmp_path, raw):
    header, document, data = taken_apart(raw)
    changed = copy.deepcopy(document)
    changed["contents"]["state"]["optimizer"]["iterations"] += 1
    refuse(tmp_path / "m", put_together(header, changed, data), "expected a document with the checksum")


@pytest.mark.parametrize("read", ["load_weights", "load_model"])
def test_a_refused_file_changes_no_model(tmp_path, raw, read):
    (tmp_path / "m").write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    model = trained(seed=5)
    before = model.get_weights()
    with pytest.raises(SavedFileError, match="with the checksum"):
        model.load_weights(tmp_path / "m") if read == "load_weights" else load_model(tmp_path / "m")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_no_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        load_model(tmp_path / "none")
    with pytest.raises(SavedFileError, match=r"expected a file\. Found: a folder, a pipe or a device"):
        load_model(tmp_path)
    os.mkfifo(tmp_path / "pipe")                              # opening it would wait for a writer for ever
    with pytest.raises(SavedFileError, match=r"expected a file\. Found: a folder, a pipe or a device"):
        load_model(tmp_path / "pipe")


def test_a_file_larger_than_2_gib_is_not_read(tmp_path):
    with open(tmp_path / "m", "wb") as file:
        file.truncate(2**31 + 1)                              # takes no space on the disk
    with pytest.raises(SavedFileError, match=r"expected 8 to 2,147,483,648 bytes\. Found: 2,147,483,649"):
        load_model(tmp_path / "m")


def test_what_could_not_be_read_is_not_written(tmp_path, monkeypatch):
    for what, text in (("MAX_HEADER", "expected at most 100 bytes of header"), ("MAX_BYTES", "and 100 in all")):
        with monkeypatch.context() as patch:
            patch.setattr(safefile, what, 100)
            model = trained()
            with pytest.raises(ValueError, match=text):
                model.save(tmp_path / "m")
    for number in (np.inf, -np.inf, np.nan):
        with pytest.raises(ValueError, match="JSON"):
            safefile.write(tmp_path / "m", [number], {})
    with pytest.raises(ValueError, match="of a dtype that a file can hold"):
        safefile.write(tmp_path / "m", {}, {"a": np.ones(2, complex)})
    assert list(tmp_path.iterdir()) == []


def test_paths_are_strings_or_path_objects(tmp_path):
    model = trained()
    model.save(str(tmp_path / "m"))
    np.testing.assert_array_equal(load_model(Path(tmp_path, "m")).predict(X), model.predict(X))
