"""Data sets: MNIST, whose files ship inside the package, others from their public files, and a folder of images."""

from tinynet.datasets import cifar10, cifar100, emnist, fashion_mnist, idx, image_folder, kmnist, mnist, qmnist

__all__ = ["cifar10", "cifar100", "emnist", "fashion_mnist", "idx", "image_folder", "kmnist", "mnist", "qmnist"]
