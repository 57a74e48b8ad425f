"""Every seeded defect still fits the source it is to break, in exactly one place."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "mutants"))

from catalogue import PROJECT, load
from kinds import FILES, KINDS, kinds_for

MUTANTS = load()


@pytest.mark.parametrize("area", sorted({mutant.area for mutant in MUTANTS}))
def test_the_defects_fit(area):
    for mutant in (each for each in MUTANTS if each.area == area):
        source = (PROJECT / mutant.file).read_text()
        assert mutant.apply(source) != source, mutant.name
        compile(mutant.apply(source), f"{mutant.file}, {mutant.name}", "exec")


def test_names_are_unique_and_every_part_is_covered():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 60
    files = {mutant.file for mutant in MUTANTS}
    for part in ("layers/dense", "layers/conv2d", "layers/pooling", "layers/dropout", "layers/flatten",
                 "layers/activations", "kernels/geometry", "kernels/naive", "kernels/im2col",
                 "kernels/fast/tiles", "kernels/fast/llvm/multiplying", "kernels/fast/llvm/pooling",
                 "kernels/fast/layout", *(f"kernels/fast/convolutions/{name}" for name in (
                     "conv_loops", "conv", "conv_relu_pool", "winograd", "squares", "conv2d")),
                 "kernels/fast/loops/winograd", "kernels/fast/llvm/transforming",
                 "kernels/fast/products", "kernels/fast/sparse", "kernels/fast/loops/pooling",
                 "kernels/fast/loops/elementwise", "kernels/fast/compiling", "kernels/fast/threads", "steps/fused",
                 "steps/convolutions", "losses/base", "optimizers/adam", "models/sequential"):
        assert f"tinynet/{part}.py" in files, part


def test_every_defect_is_put_before_checks_that_exist():
    assert {file for files in FILES.values() for file in files if not (PROJECT / file).exists()} == set()
    for mutant in MUTANTS:
        assert {*kinds_for(mutant.file)} <= KINDS.keys()
