"""A folder of images: classes from its sub-folders, pixels as they are in the files, and files that are none named."""

import re
import warnings

import numpy as np
import pytest
from PIL import Image

from tinynet.datasets import image_folder

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def save(file, pixels, **options):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(pixels, np.uint8)).save(file, **options)


@pytest.fixture
def folder(tmp_path):
    """Two rows of three pixels: red, green, blue; then black, except for one dog."""
    row, black = [RED, GREEN, BLUE], [(0, 0, 0)] * 3
    save(tmp_path / "dogs" / "rex.png", [row, black])
    save(tmp_path / "cats" / "tom.bmp", [row, black])
    save(tmp_path / "cats" / "old" / "felix.PNG", [row, black])
    save(tmp_path / "dogs" / "bello.png", [row, row])
    (tmp_path / "dogs" / "notes.txt").write_text("passed over")
    save(tmp_path / "dogs" / ".thumbnails" / "rex.png", [row])
    save(tmp_path / ".cache" / "rex.png", [row])
    return tmp_path


def test_classes_are_the_folders_and_channels_come_first(folder):
    x, y, class_names = image_folder.load_data(folder)
    assert (x.shape, x.dtype) == ((4, 3, 2, 3), np.uint8)
    np.testing.assert_array_equal(y, [0, 0, 1, 1])
    assert class_names == ("cats", "dogs")
    for image in (x[0], x[1], x[3]):
        np.testing.assert_array_equal(image[:, 0], 255 * np.eye(3))      # red has the first pixel, ...
        assert not image[:, 1].any()
    np.testing.assert_array_equal(x[2, :, 1], 255 * np.eye(3))          # bello, before rex
    assert x.flags.c_contiguous


def test_classes_and_files_are_in_the_order_of_their_names_wherever_they_lie(tmp_path):
    names = ["m", "z", "b", "q", "a", "Z", "10", "2"]
    for name in names:
        for grey in (3, 1, 2):
            save(tmp_path / name / f"{grey}.png", [[grey]])
    x, y, class_names = image_folder.load_data(tmp_path, color_mode="grayscale")
    assert class_names == ("10", "2", "Z", "a", "b", "m", "q", "z")
    assert x.ravel().tolist() == [1, 2, 3] * 8
    assert y.tolist() == np.repeat(range(8), 3).tolist()


def test_colours_are_those_asked_for(folder):
    grey, _, _ = image_folder.load_data(str(folder), color_mode="grayscale")
    np.testing.assert_array_equal(grey[0], [[[76, 150, 29], [0, 0, 0]]])      # 0.299 R + 0.587 G + 0.114 B
    colours, _, _ = image_folder.load_data(folder, color_mode="rgba")
    np.testing.assert_array_equal(colours[0, :3, 0], 255 * np.eye(3))
    np.testing.assert_array_equal(colours[0, 3], np.full((2, 3), 255))


def test_images_of_any_size_are_brought_to_one(folder):
    save(folder / "cats" / "large.png", np.full((40, 10, 3), 200))
    x, _, _ = image_folder.load_data(folder, image_size=(4, 6))
    assert x.shape == (5, 3, 4, 6)
    np.testing.assert_array_equal(x[0], np.full((3, 4, 6), 200))
    assert x[3, 0, 0, 0] == 255                                          # the left end of bello's row is red
    assert x[3, 2, 0, 5] == 255                                          # and its right end blue


@pytest.mark.parametrize(("mode", "grey"), [("L", 7), ("P", 7), ("1", 255), ("LA", 7), ("CMYK", 248)])
def test_every_kind_of_8_bits_is_read(tmp_path, mode, grey):
    (tmp_path / "class").mkdir()
    ending = "jpg" if mode == "CMYK" else "png"
    picture = Image.new("L", (8, 8), grey).convert(mode) if mode != "CMYK" else Image.new("CMYK", (8, 8), (7, 7, 7, 0))
    picture.save(tmp_path / "class" / f"file.{ending}")
    x, _, _ = image_folder.load_data(tmp_path)
    np.testing.assert_array_equal(x, np.full((1, 3, 8, 8), grey))


def test_a_photograph_is_the_way_up_that_it_says_and_of_a_moving_picture_there_is_the_first(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3                                                     # upside down
    save(tmp_path / "class" / "a.png", [[RED, BLUE]], exif=exif)
    frames = [Image.new("RGB", (2, 1), colour) for colour in (GREEN, RED)]
    frames[0].save(tmp_path / "class" / "b.gif", save_all=True, append_images=frames[1:])
    x, _, _ = image_folder.load_data(tmp_path)
    np.testing.assert_array_equal(x.transpose(0, 2, 3, 1), [[[BLUE, RED]], [[GREEN, GREEN]]])


# What is wrong


def test_an_image_of_another_size_is_named(folder):
    save(folder / "dogs" / "waldi.png", [[RED, GREEN]])
    said = (f"{folder / 'dogs' / 'waldi.png'}: expected 2 x 3 pixels (rows x columns) as in "
            f"{folder / 'cats' / 'old' / 'felix.PNG'}, or image_size= for all. Found: 1 x 2.")
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        image_folder.load_data(folder)


def truncated(file):
    save(file, np.random.default_rng(0).integers(0, 256, (50, 50, 3)))
    file.write_bytes(file.read_bytes()[:4000])


def bomb(file):
    size = b"\xff\xff\xff\xff"                                          # 65,535 x 65,535
    file.write_bytes(b"GIF89a" + size + bytes(3) + b"," + bytes(4) + size + b"\0\2\0;")


@pytest.mark.parametrize("make", [
    lambda file: file.write_bytes(b""),
    lambda file: file.write_text("no image"),
    truncated,
    bomb,
    lambda file: Image.new("RGB", (4, 4)).save(file, format="TIFF"),
], ids=["empty", "text", "truncated", "4 billion pixels", "TIFF"])
def test_what_is_no_image_is_named(folder, make):
    file = folder / "dogs" / "waldi.png"
    make(file)
    with pytest.raises(ValueError, match=f"^{re.escape(str(file))}: expected an intact image, .* or PNG. Found: "):
        image_folder.load_data(folder)


def test_an_image_of_90_million_pixels_is_refused_before_it_is_unpacked(tmp_path):
    file = tmp_path / "class" / "large.png"
    file.parent.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.new("1", (9000, 10_000)).save(file)                        # 10 KB
    with pytest.raises(ValueError, match=r"expected an intact image, .*Found: .*90000000 pixels"):
        image_folder.load_data(tmp_path)


def test_more_than_8_bits_are_refused_rather_than_cut_off(tmp_path):
    (tmp_path / "class").mkdir()
    Image.fromarray(np.full((2, 2), 1000, np.uint16)).save(tmp_path / "class" / "deep.png")
    with pytest.raises(ValueError, match=r"deep.png: expected an image of 8 bits for each channel\. Found: .*mode I"):
        image_folder.load_data(tmp_path)


def test_a_class_without_images_and_a_folder_without_classes_are_told(folder):
    (folder / "birds").mkdir()
    with pytest.raises(FileNotFoundError, match=r"birds: expected images, of names that end in .*\. Found: none\.$"):
        image_folder.load_data(folder)
    for path, found in ((folder / "birds", "a folder without any"), (folder / "nowhere", "no such folder")):
        said = f"{path}: expected a folder with a sub-folder of images for each class. Found: {found}."
        with pytest.raises(FileNotFoundError, match=f"^{re.escape(said)}$"):
            image_folder.load_data(path)


@pytest.mark.parametrize("options", [{"image_size": 32}, {"image_size": (32,)}, {"image_size": (0, 4)},
                                     {"image_size": (2.0, 4)}, {"color_mode": "RGB"}])
def test_settings_that_cannot_be_are_told(folder, options):
    with pytest.raises(ValueError, match=r"^image_folder.load_data: expected .*(image_size|color_mode).* Received: "):
        image_folder.load_data(folder, **options)
