"""Augmentation: layers that change images at random in training, in ways that leave their label what it is."""

from tinynet.layers.augmentation.affine import RandomAffine, RandomRotation, RandomShear, RandomTranslation, RandomZoom
from tinynet.layers.augmentation.contrast import RandomContrast
from tinynet.layers.augmentation.elastic import RandomElasticTransform
from tinynet.layers.augmentation.flips import RandomCrop, RandomFlip

__all__ = ["RandomAffine", "RandomContrast", "RandomCrop", "RandomElasticTransform", "RandomFlip", "RandomRotation",
           "RandomShear", "RandomTranslation", "RandomZoom"]
