"""What is uploaded works: build sdist and wheel, install each where nothing else is, and try it, for ``make wheel``.

The wheel is built from the sdist, which must therefore hold all that the wheel needs.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MNIST = {f"tinynet/datasets/data/mnist/{name}" for name in (
    "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz", "SHA256SUMS", "README.md")}
PACKAGE = {"tinynet/testing/pytest_plugin.py", "tinynet/py.typed", "tinynet/__main__.py",
           "tinynet/kernels/fast/__init__.py", *MNIST}
SOURCE = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "pyproject.toml", "docs/index.md",
          "docs/pictures/digit.png", "docs/figures/__init__.py", "examples/mnist_larger.py", "tests/conftest.py",
          "tests/mutants/catalogue.py", "tests/mutants/defects/dense.toml"}
TRY = """
import numpy as np
import tinynet
from tinynet import Sequential
from tinynet.datasets import mnist
from tinynet.layers import Conv2D, Dense, Flatten, MaxPooling2D
assert "site-packages" in tinynet.__file__, tinynet.__file__
(x, y), (x_test, y_test) = mnist.load_data()
model = Sequential([Conv2D(4, (3, 3), activation="relu", input_shape=(1, 28, 28)), MaxPooling2D(), Flatten(),
                    Dense(10, activation="softmax")], seed=0)
model.compile("sgd", "sparse_categorical_crossentropy")
before = model.get_weights()
history = model.fit(x[:64, None] / 255, y[:64], batch_size=32, epochs=1, verbose=0)      # two batches
assert np.isfinite(history.history["loss"]).all()
assert all((a != b).any() for a, b in zip(before, model.get_weights()))
"""


def main() -> None:
    """Build both, look into them, and try both."""
    sdist, wheel = built(ROOT / "dist")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expect(names, PACKAGE | SOURCE, sdist)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        readme = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    expect(names, PACKAGE | {"pytest_tinynet.py"}, wheel)
    top = {name.partition("/")[0] for name in names}
    ours = {"tinynet", "pytest_tinynet.py"}
    refuse({name for name in top - ours if not name.endswith(".dist-info")}, wheel, "is not the package")
    refuse(set(re.findall(r"\]\((?!https?:)[^)]*\)", readme)), wheel, "leads nowhere on a package index")
    for file in wheel, sdist:
        tried(file)
    print(f"Both install and work: {sdist.name} ({sdist.stat().st_size / 1e6:.1f} MB), "
          f"{wheel.name} ({wheel.stat().st_size / 1e6:.1f} MB), in {sdist.parent}")


def built(folder: Path) -> tuple[Path, Path]:
    """Build the sdist, and from it the wheel; return where they are."""
    for old in folder.glob("tinynet-*"):
        old.unlink()
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], check=True,
                   stdout=subprocess.DEVNULL)
    (sdist,), (wheel,) = folder.glob("tinynet-*.tar.gz"), folder.glob("tinynet-*.whl")
    return sdist, wheel


def expect(names: set[str], wanted: set[str], file: Path) -> None:
    """Exit unless all that is wanted is in an archive, and nothing that a tool left behind."""
    refuse(wanted - names, file, "is missing")
    refuse({name for name in names if "__pycache__" in name or ".venv" in name}, file, "was left behind by a tool")


def refuse(found: set[str], file: Path, why: str) -> None:
    """Exit with a message if anything was found."""
    if found:
        sys.exit(f"{file.name}: {why}: {', '.join(sorted(found))}")


def tried(file: Path) -> None:
    """Install an archive into an environment of its own, and try it from an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        environment, empty = Path(folder, "environment"), Path(folder, "empty")
        venv.create(environment, with_pip=True)
        empty.mkdir()
        python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

        def run(*arguments: str) -> str:
            return subprocess.run([str(python), "-I", *arguments], cwd=empty, check=True, text=True,
                                  stdout=subprocess.PIPE).stdout
        run("-m", "pip", "install", "--quiet", str(file))
        run("-c", TRY)
        assert "demo" in run("-m", "tinynet")
        assert "Test error" in run("-m", "tinynet", "demo", "--limit", "500", "--epochs", "1")
        print(f"{file.name} installs and works")


if __name__ == "__main__":
    main()
