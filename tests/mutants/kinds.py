"""The kinds of check that the suite has, which test is of which, and which of them a defect is put before."""

UNITS = ["activations", "rectifiers", "smooth", "own_function", "dense", "conv2d", "depthwise", "conv2d_transpose",
         "resizing", "pooling", "padding", "dropout", "noise", "augmentation", "flatten", "rescaling", "normalization",
         "residual", "losses", "metrics", "metric_classes", "initializers", "regularizers", "layer_contract", "nesting",
         "weights", "utils", "error_messages", "keras_surface", "constraints", "functional"]

KINDS = {
    "hand": "worked out by hand, and the properties of one unit",
    "slopes": "central differences, written out in the tests",
    "checker": "tinynet.testing, check_layer and check_gradients",
    "kernels": "kernel sets against each other and SciPy, fused steps against single ones",
    "training": "fit, evaluate, predict, optimizers, whole trainings",
    "state": "the plan of what runs, and what layers learn without gradients",
    "selftest": "the checker itself, given layers that are wrong on purpose",
    "files": "what is written and read again: models, backups; and what callbacks do",
    "data": "data sets, from the files that they are published in",
    "figures": "figures and pages: what is drawn where, in which colour, under which label",
}
ENGINE = ("hand", "slopes", "checker", "kernels", "training", "state")

# A defect in one of these rooms is put before these kinds, one in any other before the engine's: what draws or saves
# runs the engine too, and would be run for every mistake in it.
ROOMS = {
    "tinynet/testing/": ("selftest", "state"),
    "tinynet/files/": ("files", "training", "state"),
    "tinynet/training/": (*ENGINE, "files"),
    "tinynet/callbacks/": ("files", "state"),
    "tinynet/study/": ("figures", "state"),
    "tinynet/datasets/": ("data",),
    "examples/": ("figures",),
}

FILES = {
    "hand": [f"tests/test_{unit}.py" for unit in UNITS],
    "checker": ["tests/testing/test_our_layers.py"],
    "kernels": [f"tests/test_{name}.py" for name in ("kernels", "kernels_agree", "kernels_use", "tiles", "sparse",
                                                      "winograd", "fusing")],
    "training": [f"tests/test_{name}.py" for name in (
        "optimizers", "schedules", "fit", "fit_hooks", "evaluate_predict", "freezing", "sequential_building",
        "randomness", "training", "threads_and_forks", "distributed")],
    "state": ["tests/test_plan.py", "tests/test_layer_state.py"],
    "selftest": [f"tests/testing/test_{name}.py" for name in (
        "check_layer_rules", "check_layer", "check_gradients_preconditions", "check_gradients_kinks",
        "check_gradients_report", "differences", "likely_causes", "check_gradients", "check_vjp", "check_loss",
        "as_if")],
    "files": [f"tests/test_{name}.py" for name in (
        "callbacks", "saving", "saving_atomic", "saving_bad_files", "resume", "divergence")],
    "data": [f"tests/test_{name}.py" for name in ("mnist", "idx", "idx_writing", "published", "cifar", "image_folder")],
    "figures": ["tests/test_tour_page.py", *(f"tests/study/test_{name}.py" for name in (
        "drawing", "diagram", "curves", "layer_steps", "errors", "loss_surface", "health", "health_recorder",
        "study_activations", "plot_filters", "pca", "gradient_terms", "grad_cam", "attributions", "profile",
        "compare_kernels"))],
}
KIND_OF_FILE = {file: kind for kind, files in FILES.items() for file in files}
WITH_SLOPES = ("hand", "kernels", "training")


def kinds_for(file):
    """Return the kinds that a defect in a file is put before."""
    return next((kinds for room, kinds in ROOMS.items() if file.startswith(room)), ENGINE)


def kind_of(test):
    """Return the kind of a test, "tests/test_dense.py::test_name[case]"."""
    file, _, name = test.partition("::")
    kind = KIND_OF_FILE[file]
    measures = "slopes" in name and kind in WITH_SLOPES and not file.startswith("tests/test_kernels")
    return "slopes" if measures else kind


def files_of(kinds):
    """List the files in which tests of some kinds are."""
    with_slopes = WITH_SLOPES if "slopes" in kinds else ()
    return [file for kind, files in FILES.items() if kind in {*kinds, *with_slopes} for file in files]
