"""CIFAR-100: 60,000 colour photographs of 32 x 32 pixels, of a hundred classes, or of twenty that are coarser.

Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009,
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from tinynet.checks import invalid
from tinynet.datasets.cifar import Labels, load_batches
from tinynet.datasets.idx import StrPath
from tinynet.datasets.published import Samples

__all__ = ["CLASS_NAMES", "load_data"]

_FINE = """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm"""
_COARSE = """aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices
household_furniture insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes
large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1
vehicles_2"""
CLASS_NAMES = {"fine": tuple(_FINE.split()), "coarse": tuple(_COARSE.split())}
_LABELS = {"fine": Labels(b"fine_labels", column=1, columns=2, classes=100),
           "coarse": Labels(b"coarse_labels", column=0, columns=2, classes=20)}


def load_data(folder: StrPath | None = None, label_mode: str = "fine") -> tuple[Samples, Samples]:
    """Load the training and the test images: `(x_train, y_train), (x_test, y_test)`.

    Parameters
    ----------
    folder : where the files are, out of the published archive: those of the binary version, `train.bin` and `test.bin`,
        or of the Python version, `train` and `test`, which are pickles and are read without being run. Nothing is
        downloaded; without a folder the error says where they are published.
    label_mode : "fine", a hundred classes, or "coarse", twenty.

    Returns
    -------
    x_train (50000, 3, 32, 32), y_train (50000,), x_test (10000, 3, 32, 32), y_test (10000,), all uint8: red, green and
    blue from 0 to 255, channels first, and the numbers of the `CLASS_NAMES[label_mode]`.

    Raises
    ------
    FileNotFoundError : files are missing; lists them, and the folder.
    ValueError : there is no such mode; or a file is damaged, or holds something else.

    Examples
    --------
    >>> CLASS_NAMES["fine"][99], CLASS_NAMES["coarse"][14]
    ('worm', 'people')
    """
    if label_mode not in _LABELS:
        raise invalid("cifar100.load_data", 'label_mode="fine" or "coarse"', repr(label_mode))
    return load_batches(folder, ["train"], "test", _LABELS[label_mode])
