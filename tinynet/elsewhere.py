"""Names that Keras has and tinynet has not: asking a module for one says what does its work here."""

from __future__ import annotations

import sys
from typing import Any

FIT_DRAWS = "fit itself, which draws a bar (verbose=1)"
OWN_METRIC = "a function (y_true, y_pred), or a subclass of Metric"
NO_SEQUENCES = "layers for vectors and images, or one of your own; those for sequences, text and volumes are not here"

INSTEAD = {                                           # of a module: names -> what there is
    "": {
        "applications": "weights of your own, as nothing is downloaded; set_weights takes the arrays of a Keras model",
        "mixed_precision": "Sequential(dtype=), float32 or float64",
        "ops": "NumPy's functions",
    },
    "activations": {
        "exponential hard_silu hard_swish hard_tanh log_sigmoid log_softmax mish": "a Lambda of a "
        "function that returns its output and its backward",
    },
    "backend": {"backend": "no other backend than tinynet itself"},
    "callbacks": {
        "BaseLogger ProgbarLogger": FIT_DRAWS,
        "RemoteMonitor": "LambdaCallback(on_epoch_end=...)",
        "SwapEMAWeights": "an optimizer with use_ema=True",
        "TensorBoard": "CSVLogger, study.plot_history(history) or study.HealthRecorder",
    },
    "datasets": {
        "boston_housing california_housing imdb reuters": "data sets of images, or arrays of your own, as nothing is "
        "downloaded",
    },
    "initializers": {"Identity IdentityInitializer Orthogonal OrthogonalInitializer": "a function of (shape, rng)"},
    "layers": {
        "Add Average Concatenate Dot Maximum Minimum Multiply Subtract add": "Residual([...]) for x + f(x), "
        "and a layer of your own, which calls others, for other branches",
        "CenterCrop Cropping2D GroupNormalization Normalization Permute RandomBrightness RepeatVector Resizing":
        "x.transpose(...), slices and arithmetic of the arrays before fit, or a layer of your own",
        "Attention AveragePooling1D AveragePooling3D Bidirectional Conv1D Conv3D ConvLSTM2D Embedding "
        "GlobalAveragePooling1D GlobalMaxPooling1D GRU LSTM Masking MaxPooling1D MaxPooling3D MultiHeadAttention RNN "
        "SimpleRNN TextVectorization TimeDistributed UpSampling1D UpSampling3D ZeroPadding1D": NO_SEQUENCES,
    },
    "losses": {
        "BinaryFocalCrossentropy CategoricalFocalCrossentropy CTC Dice Tversky": "a function (y_true, y_pred) that "
        "returns losses and slopes",
    },
    "metrics": {
        "Accuracy": "'accuracy', in compile(metrics=[...])",
        "F1Score FBetaScore IoU MeanIoU MeanMetricWrapper PrecisionAtRecall R2Score RecallAtPrecision Sum": OWN_METRIC,
        "Mean": "MeanMetric, or " + OWN_METRIC,
    },
    "optimizers": {"Adafactor Ftrl Lamb LossScaleOptimizer Muon": "a subclass of Optimizer, with a step"},
    "preprocessing": {"sequence text": "arrays of numbers: layers for text and sequences are not here"},
    "preprocessing.image": {
        "ImageDataGenerator": "layers that change images, such as RandomRotation, RandomTranslation, RandomZoom and "
        "RandomFlip of tinynet.layers, in front of the model's others; fit takes arrays and generators of batches, "
        "datasets.image_folder.load_data reads folders of images",
        "array_to_img img_to_array load_img": "datasets.image_folder.load_data for a folder of images, "
        "digits.read_drawing for a picture of a digit",
    },
    "regularizers": {"OrthogonalRegularizer": "an object with value(w) and gradient(w)"},
    "utils": {
        "Progbar": FIT_DRAWS,
        "get_file": "a file of your own, as nothing is downloaded",
        "image_dataset_from_directory": "datasets.image_folder.load_data(folder, image_size=)",
        "pad_sequences": "arrays of numbers: layers for sequences are not here",
    },
}


def tell() -> None:
    """Have the modules say it: an ImportError, as ``from`` would replace the words of an AttributeError."""
    for name, instead in INSTEAD.items():
        module = sys.modules[f"tinynet.{name}".rstrip(".")]
        vars(module)["__getattr__"] = asking(module.__name__, {each: words for names, words in instead.items()
                                                               for each in names.split()},
                                             vars(module).get("__getattr__"))


def asking(module: str, instead: dict[str, str], others: Any) -> Any:
    """Return what a module does when it is asked for a name that it has not; `others` is what it did before."""
    def ask(name: str) -> Any:
        if name in instead:
            raise ImportError(f"{module}: expected {instead[name]}. Received: {name}.")
        if others is not None:
            return others(name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return ask
