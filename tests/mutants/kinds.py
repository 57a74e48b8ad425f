"""The kinds of check that the suite has, and which test is of which."""

UNITS = ["activations", "dense", "conv2d", "pooling", "padding", "dropout", "flatten", "losses", "metrics",
         "initializers", "regularizers", "layer_contract", "nesting", "weights", "utils", "error_messages"]

KINDS = {
    "hand": "worked out by hand, and the properties of one unit",
    "slopes": "central differences, written out in the tests",
    "checker": "tinynet.testing, check_layer and check_gradients",
    "kernels": "kernel sets against each other and SciPy, fused steps against single ones",
    "training": "fit, evaluate, predict, optimizers, whole trainings",
}

FILES = {
    "hand": [f"tests/test_{unit}.py" for unit in UNITS],
    "checker": ["tests/testing/test_our_layers.py"],
    "kernels": [f"tests/test_{name}.py" for name in ("kernels", "kernels_agree", "kernels_use", "tiles", "sparse",
                                                      "fusing")],
    "training": [f"tests/test_{name}.py" for name in (
        "optimizers", "fit", "fit_hooks", "evaluate_predict", "freezing", "sequential_building", "randomness",
        "training", "threads_and_forks", "plan", "layer_state")],
}
KIND_OF_FILE = {file: kind for kind, files in FILES.items() for file in files}


def kind_of(test):
    """Return the kind of a test, "tests/test_dense.py::test_name[case]"."""
    file, _, name = test.partition("::")
    kind = KIND_OF_FILE[file]
    return "slopes" if "slopes" in name and not file.startswith("tests/test_kernels") else kind


def files_of(kinds):
    """List the files in which tests of some kinds are."""
    with_slopes = {"hand", "kernels", "training"} if "slopes" in kinds else set()
    return [file for kind, files in FILES.items() if kind in {*kinds, *with_slopes} for file in files]
