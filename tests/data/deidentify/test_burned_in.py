"""Text drawn beside a breast is flagged; the breast, its marker and noise are not."""

import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from mammolab.data.deidentify.burned_in import LETTERS, longest_line, why_suspect

FONT = f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf"
NAME = "LINDQVIST MATHILDA 12.03.1948"


def _breast(noise=20):
    """Half an ellipse of tissue with texture on a dark background, 12 bits."""
    rng = np.random.default_rng(1)
    down, across = np.mgrid[:600, :480]
    inside = ((down - 300) / 260) ** 2 + (across / 300) ** 2 < 1
    tissue = 900 + 700 * np.sin(down / 23) * np.cos(across / 17)
    image = np.where(inside, tissue, 60) + rng.normal(0, noise, inside.shape)
    return image.clip(0, 4095).astype(np.uint16)


def _draw(image, text, size, value, at=(120, 12), turn=False):
    canvas = Image.new("L", image.shape[::-1], 0)
    font = ImageFont.truetype(FONT, size)
    ImageDraw.Draw(canvas).text(at, text, fill=255, font=font)
    ink = np.asarray(canvas) / 255
    ink = np.rot90(ink).copy() if turn else ink
    base = np.rot90(image) if turn else image
    return (base * (1 - ink) + value * ink).astype(image.dtype)


@pytest.mark.parametrize("size", [12, 16, 24, 32])
@pytest.mark.parametrize("value", [4095, 2000])
@pytest.mark.parametrize("turn", [False, True])
def test_text_beside_the_breast_is_found(mammogram, size, value, turn):
    text = NAME if size < 24 else NAME[:9]
    image = _draw(_breast(), text, size, value, turn=turn)
    assert "look like letters" in why_suspect(mammogram(), image)


def test_text_in_an_inverted_image_is_found():
    assert longest_line(4095 - _draw(_breast(), NAME, 16, 4095)) >= LETTERS


@pytest.mark.parametrize("marker", ["", "L", "R CC", "L MLO", "R-MLO"])
def test_a_breast_with_a_marker_of_side_and_view_is_not_flagged(mammogram, marker):
    image = _draw(_breast(), marker, 28, 4095, at=(350, 30))
    assert why_suspect(mammogram(), image) == ""


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_not_flagged(seed):
    rng = np.random.default_rng(seed)
    assert longest_line(rng.integers(0, 4096, (300, 300)).astype(np.uint16)) < LETTERS
    specks = np.where(rng.random((400, 400)) < 0.002, 4095, 10).astype(np.uint16)
    assert longest_line(specks) < LETTERS


def test_images_of_one_value_are_not_flagged():
    assert longest_line(np.zeros((40, 30), np.uint16)) == 0
    assert longest_line(np.full((1, 1), 7, np.uint8)) == 0


def test_known_misses():
    """What the help admits: over the breast, and fainter than a quarter of the range."""
    over = _draw(_breast(0), NAME, 12, 4095, at=(5, 290))
    assert longest_line(over) < len(NAME.replace(" ", ""))
    assert longest_line(_draw(_breast(), NAME, 16, 300)) < LETTERS


def test_what_the_header_says(mammogram):
    assert why_suspect(mammogram(BurnedInAnnotation="YES"), None) == "BurnedInAnnotation is YES"
    film = mammogram(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    assert why_suspect(film, None) == "secondary capture or film"
    assert why_suspect(mammogram(BurnedInAnnotation="NO"), None) == ""
