"""DICOM to model input on literal pixel values."""

import io
from functools import partial

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

from mammolab.data import decoders
from mammolab.data.averaging import area_average, average_grey
from mammolab.data.grey import GreyTable, apply_window, stored_values
from mammolab.data.header import DEFERRED_BYTES, Rejected, read_mammogram
from mammolab.data.pixels import preprocessing_hash, to_model_input

FULL = {"WindowCenter": "2047.5", "WindowWidth": "4095", "VOILUTFunction": "LINEAR_EXACT"}


def row_of(*values: int, dtype=np.uint16) -> np.ndarray:
    return np.array([values], dtype=dtype)


def convert(dataset, rows=1, columns=4, **options) -> list[int]:
    return to_model_input(dataset, rows, columns, **options)[0].ravel().tolist()


def lut(first: int, bits: int, *entries: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item.LUTData = list(entries)
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "US"
    return item


@pytest.mark.parametrize(
    ("function", "center", "width", "expected"),
    [
        # PS3.3 C.11.2.1.2.1: at or below c - 0.5 - (w - 1) / 2 black, above c - 0.5 + (w - 1) / 2
        # white; the standard's own example c = 2048, w = 4096 maps 0 to 0 and 4095 to full.
        ("LINEAR", 2048, 4096, [0, 1024 / 4095, 2048 / 4095, 1]),
        ("LINEAR", 1024, 1, [0, 1, 1, 1]),
        ("LINEAR_EXACT", 2048, 4096, [0, 0.25, 0.5, 4095 / 4096]),
        ("LINEAR_EXACT", 1024, 0.5, [0, 0.5, 1, 1]),
        ("SIGMOID", 2048, 4096, [0.119203, 0.268941, 0.5, 0.880695]),
    ],
)
def test_windows_by_hand(function, center, width, expected):
    grey = apply_window(np.array([0, 1024, 2048, 4095]), center, width, function)
    np.testing.assert_allclose(grey, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("function", "width"),
    [("LINEAR", 0.9), ("LINEAR_EXACT", 0), ("SIGMOID", -1), ("LINEAR", np.nan)],
)
def test_widths_the_standard_forbids_are_no_window(function, width):
    assert apply_window(np.zeros(1), 0, width, function) is None


def test_unknown_voi_function_is_an_error(mammogram):
    with pytest.raises(Rejected, match="function CUBIC, not LINEAR, LINEAR_EXACT or SIGMOID"):
        to_model_input(mammogram(VOILUTFunction="CUBIC"), 3, 4)


def test_linear_window_on_pixels(mammogram):
    dataset = mammogram(row_of(0, 1000, 2000, 4095))
    image, record = to_model_input(dataset, 1, 4)
    assert image.tolist() == [[0, 62, 125, 255]] and image.dtype == np.uint8
    assert record.window == "linear 2048/4096" and not record.inverted and not record.flipped
    assert record.spacing_mm == 0.1


def test_first_of_several_windows(mammogram):
    dataset = mammogram(row_of(0, 1000, 2000, 4095))
    dataset.WindowCenter, dataset.WindowWidth = ["1000", "3000"], ["2000", "10"]
    image, record = to_model_input(dataset, 1, 4)
    assert record.window == "linear 1000/2000 (1 of 2)"
    assert image.tolist() == [[0, 128, 255, 255]]


def test_lut_goes_before_the_window(mammogram):
    table = lut(2, 8, 255, 0, 51)
    dataset = mammogram(row_of(0, 2, 3, 4, 9), VOILUTSequence=[table])
    image, record = to_model_input(dataset, 1, 5)
    # Below the first entry the first, beyond the last the last (PS3.3 C.11.2.1.1).
    assert image.tolist() == [[255, 255, 0, 51, 51]]
    assert record.window == "lut 3"


def test_lut_of_bytes(mammogram):
    table = lut(0, 12, 0, 4095)
    table.LUTData = np.array([0, 4095], "<u2").tobytes()
    table["LUTData"].VR = "OW"
    assert convert(mammogram(row_of(0, 1, 2, 3), VOILUTSequence=[table])) == [0, 255, 255, 255]


def test_broken_lut_is_an_error(mammogram):
    table = lut(0, 8, 1, 2, 3)
    table.LUTDescriptor = [300, 0, 8]
    with pytest.raises(Rejected, match="VOI: the LUT or window cannot be read"):
        to_model_input(mammogram(VOILUTSequence=[table]), 3, 4)


def test_rescale_goes_before_the_window(mammogram):
    dataset = mammogram(row_of(0, 100, 200, 300), RescaleSlope="2", RescaleIntercept="-100")
    dataset.WindowCenter, dataset.WindowWidth = "150", "500"
    dataset.VOILUTFunction = "LINEAR_EXACT"
    assert convert(dataset) == [0, 102, 204, 255]


def test_modality_lut_goes_before_the_window(mammogram):
    dataset = mammogram(row_of(0, 1, 2, 3), ModalityLUTSequence=[lut(0, 16, 0, 4095, 0, 819)])
    for keyword, value in FULL.items():
        setattr(dataset, keyword, value)
    assert convert(dataset) == [0, 255, 0, 51]


@pytest.mark.parametrize("slope", ["0", "1e308"])
def test_rescale_that_gives_no_values_is_an_error(mammogram, slope):
    with pytest.raises(Rejected, match="modality LUT: slope"):
        to_model_input(mammogram(RescaleSlope=slope, RescaleIntercept="0"), 3, 4)


def test_monochrome1_is_inverted_after_the_window(mammogram):
    """Inverting the stored values first would give 255, 229, 204, 0 for this asymmetric window."""
    dataset = mammogram(row_of(0, 200, 400, 4095), PhotometricInterpretation="MONOCHROME1")
    dataset.WindowCenter, dataset.WindowWidth = "500", "1000"
    dataset.VOILUTFunction = "LINEAR_EXACT"
    image, record = to_model_input(dataset, 1, 4)
    assert image.tolist() == [[255, 204, 153, 0]] and record.inverted


def test_padding_is_black_in_both_polarities(mammogram):
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        image, _ = to_model_input(mammogram(PhotometricInterpretation=photometric), 5, 6)
        assert (image[0] == 0).all() and (image[4] == 0).all() and (image[:, 4:] == 0).all()


def test_right_breast_is_mirrored(mammogram):
    pixels = row_of(0, 819, 1638, 4095)
    image, record = to_model_input(mammogram(pixels, ImageLaterality="R", **FULL), 1, 4)
    assert image.tolist() == [[255, 102, 51, 0]] and record.flipped


@pytest.mark.parametrize(
    ("laterality", "orientation", "flipped"),
    [
        ("L", ["A", "R"], False),
        ("L", ["P", "R"], True),
        ("R", ["P", "L"], True),
        ("R", ["A", "FL"], False),
        ("R", None, True),
        ("R", ["X", "X"], True),
    ],
)
def test_patient_orientation_goes_before_laterality(mammogram, laterality, orientation, flipped):
    dataset = mammogram(ImageLaterality=laterality)
    if orientation:
        dataset.PatientOrientation = orientation
    assert to_model_input(dataset, 3, 4)[1].flipped == flipped


def test_without_a_window_the_breast_gives_the_range(mammogram):
    pixels = np.zeros((8, 8), np.uint16)
    pixels[1:7, 0:4] = np.linspace(1000, 2000, 24).reshape(6, 4)
    pixels[0, 7] = 4095  # a marker, which would move a plain min-max window
    dataset = mammogram(pixels, WindowCenter=None, WindowWidth=None)
    image, record = to_model_input(dataset, 8, 8)
    assert record.window == "range 1000..2000"
    assert image[1, 0] == 0 and image[6, 3] == 255 and image[7, 7] == 0


def test_constant_image_has_no_range_and_no_error(mammogram):
    dataset = mammogram(np.full((3, 4), 7, np.uint16), WindowCenter=None, WindowWidth=None)
    assert (to_model_input(dataset, 3, 4)[0] == 0).all()


def test_signed_pixels(mammogram):
    pixels = row_of(-2048, -1024, 0, 2047, dtype=np.int16)
    dataset = mammogram(pixels, WindowCenter="0", WindowWidth="4096", VOILUTFunction="LINEAR_EXACT")
    assert convert(dataset) == [0, 64, 128, 255]


def test_bits_above_bits_stored_are_ignored(mammogram):
    dataset = mammogram(row_of(0x0001, 0xF001, 0x1FFF, 0x8000))
    assert stored_values(dataset).tolist() == [[1, 1, 4095, 0]]
    dataset = mammogram(row_of(0x0FFF, 0x0801, dtype=np.uint16), PixelRepresentation=1)
    assert stored_values(dataset).tolist() == [[-1, -2047]]


def test_eight_bit_pixels(mammogram):
    dataset = mammogram(row_of(0, 10, 100, 255, dtype=np.uint8), VOILUTFunction="LINEAR_EXACT")
    dataset.WindowCenter, dataset.WindowWidth = "127.5", "255"
    assert convert(dataset) == [0, 10, 100, 255]


def test_area_average_by_hand():
    image = np.array([[0, 2, 4], [4, 6, 8], [8, 10, 12]], np.float32)
    # From 3 to 2: a new pixel covers one and a half old ones.
    expected = [[16 / 9 + 2 / 9, 40 / 9 + 2 / 9], [64 / 9 + 2 / 9, 88 / 9 + 2 / 9]]
    np.testing.assert_allclose(area_average(image, 2 / 3), expected, rtol=1e-6)
    np.testing.assert_allclose(area_average(image, 1 / 3), [[6]])
    np.testing.assert_allclose(area_average(image, 2), np.kron(image, np.ones((2, 2))))


def test_area_average_keeps_the_mean():
    image = np.random.default_rng(1).random((120, 90)).astype(np.float32)
    assert area_average(image, 0.4).shape == (48, 36)
    assert area_average(image, 0.4).mean() == pytest.approx(image.mean(), abs=1e-6)


@pytest.mark.parametrize("lowest", [0, -512])
@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("black", ["low", "high", "all", "none", "between"])
def test_bands_and_black_columns_change_no_bit(lowest, flipped, black):
    random = np.random.default_rng(5)
    grey = random.random(1024, dtype=np.float32)
    values = np.arange(1024)
    dark = {
        "low": values < 300,
        "high": values > 700,
        "all": values >= 0,
        "none": values < 0,
        "between": (values > 100) & (values < 900),
    }[black]
    grey[dark] = 0
    table = GreyTable(grey, lowest, "")
    stored = random.integers(0, 1024, (330, 210))
    # Air around a breast, so that some columns are black in some bands and in all.
    air = (values[dark] if dark.any() else values)[0]
    stored[np.add.outer(np.arange(330), 3 * np.arange(210)) > 500] = air
    stored = (stored + lowest).astype(np.int16 if lowest else np.uint16)
    shown = table(stored)[:, :: -1 if flipped else 1]
    for scale in (4 / 13, 0.5, 0.777, 1.4):
        expected = area_average(shown, scale)
        assert np.array_equal(average_grey(stored, table, scale, flipped), expected)


def test_lit_columns_hold_all_that_is_not_black():
    stored = np.array([[0, 9, 5, 0, 9, 0], [0, 0, 0, 0, 0, 0]], np.uint16)
    grey = np.zeros(10, np.float32)
    grey[5] = 1
    assert GreyTable(grey, 0, "").lit(stored) == slice(1, 5)  # 9 and 0 are black, their mean not
    grey[9] = 1
    assert GreyTable(grey[::-1].copy(), 0, "").lit(stored) == slice(0, 6)
    assert GreyTable(np.zeros(10, np.float32), 0, "").lit(stored) == slice(0, 0)
    assert GreyTable(np.ones(10, np.float32), 0, "").lit(stored) == slice(0, 6)


def test_asked_spacing_keeps_lengths_and_never_stretches(mammogram):
    pixels = np.zeros((40, 60), np.uint16)
    pixels[16:24, 20:28] = 4095  # 0.8 mm square, 2 mm from the chest wall
    image, record = to_model_input(mammogram(pixels, **FULL), 16, 16, spacing_mm=0.2)
    found_rows, found_columns = np.nonzero(image)
    assert (found_rows.min(), found_rows.max()) == (6, 9)
    assert (found_columns.min(), found_columns.max()) == (10, 13)
    assert record.spacing_mm == pytest.approx(0.2)
    assert record.crop == "source 40x60 scale 0.5 rows 2:18 columns 0:16 at row 0"


def test_without_asked_spacing_the_image_is_fitted(mammogram):
    _, record = to_model_input(mammogram(np.zeros((40, 60), np.uint16)), 10, 30)
    assert record.crop == "source 40x60 scale 0.25 rows 0:10 columns 0:15 at row 0"
    assert record.spacing_mm == pytest.approx(0.4)
    _, record = to_model_input(mammogram(), 10, 30)  # 3 x 4: never enlarged
    assert record.crop == "source 3x4 scale 1 rows 0:3 columns 0:4 at row 3"


def test_resampling_needs_a_spacing(mammogram):
    with pytest.raises(Rejected, match="spacing: no usable ImagerPixelSpacing"):
        to_model_input(mammogram(ImagerPixelSpacing=None), 3, 4, spacing_mm=0.1)
    assert np.isnan(to_model_input(mammogram(ImagerPixelSpacing=None), 3, 4)[1].spacing_mm)


def test_hash_changes_with_every_setting():
    hashes = {
        preprocessing_hash(rows, columns, spacing_mm)
        for rows in (256, 512)
        for columns in (208, 416)
        for spacing_mm in (None, 0.1)
    }
    assert len(hashes) == 8


def _compressed(dataset, syntax: str, stream: bytes):
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].is_undefined_length = True
    return dataset


def _jpeg2000(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
    return stream.getvalue()


def test_jpeg_2000(mammogram):
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8) * 64
    dataset = _compressed(mammogram(pixels, BitsStored=16), JPEG2000Lossless, _jpeg2000(pixels))
    assert (stored_values(dataset) == pixels).all()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", list(decoders.CODECS))
def test_compressions_decoded_by_imagecodecs(mammogram, syntax, signed):
    imagecodecs = pytest.importorskip("imagecodecs")
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8) * 64
    encode = {
        "jpeg8_decode": partial(imagecodecs.jpeg8_encode, lossless=True, bitspersample=12),
        "jpegls_decode": imagecodecs.jpegls_encode,
        "jpeg2k_decode": partial(imagecodecs.htj2k_encode, reversible=True),
    }[decoders.CODECS[syntax]]
    dataset = mammogram(pixels, PixelRepresentation=int(signed))
    stored = stored_values(_compressed(dataset, syntax, encode(pixels)))
    expected = np.where(pixels > 2047, pixels.astype(int) - 4096, pixels) if signed else pixels
    assert (stored == expected).all() and stored.dtype == ("i2" if signed else "u2")


def test_a_missing_decoder_is_named(mammogram, monkeypatch):
    monkeypatch.setattr(decoders.importlib.util, "find_spec", lambda name: None)
    stream = b"\xff\xd8\xff\xc3\0\x0b\x0c\0\x08\0\x08\x01\x01\x11\0\xff\xd9"
    dataset = _compressed(mammogram(np.zeros((8, 8), np.uint16)), JPEGLosslessSV1, stream)
    with pytest.raises(Rejected, match="decoder: none for JPEG Lossless SV1; imagecodecs has one"):
        stored_values(dataset)


@pytest.mark.parametrize("shape", [(8, 8), (3, 5)])  # of odd planes the segments are padded
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_rle(mammogram, shape, dtype):
    pixels = (np.arange(np.prod(shape)).reshape(shape) * 17 % 120).astype(dtype) << 1
    dataset = mammogram(pixels)
    dataset.compress(RLELossless)
    stored = stored_values(dataset)
    assert (stored == pixels).all() and stored.dtype == dtype


def test_odd_rle_streams_are_what_pydicom_makes_of_them(mammogram):
    """Too long, too short, or with offsets that lead out of the stream."""
    dataset = mammogram(np.arange(64, dtype=np.uint16).reshape(8, 8) * 64)
    pixels = dataset.pixel_array
    dataset.compress(RLELossless)
    stream = get_frame(dataset.PixelData, 0, number_of_frames=1)
    longer = stream + b"\x05abcdefghij"
    with pytest.warns(UserWarning, match="non-conformant padding"):
        assert (stored_values(_compressed(dataset, RLELossless, longer)) == pixels).all()
    beyond = stream[:8] + (2**31).to_bytes(4, "little") + stream[12:]
    three = (3).to_bytes(4, "little") + stream[4:]
    for broken in (stream[:-9], stream[:40], beyond, three):
        with pytest.raises(Rejected, match="decoding: RuntimeError"):
            stored_values(_compressed(dataset, RLELossless, broken))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless])
def test_pixels_above_the_deferred_size(tmp_path, mammogram, syntax):
    """Native pixels stay where the file's bytes are; compressed ones are read as ever."""
    pixels = np.random.default_rng(3).integers(0, 4096, (512, 400)).astype(np.uint16)
    dataset = mammogram(pixels)
    if syntax == RLELossless:
        dataset.compress(RLELossless)
    dataset.file_meta.TransferSyntaxUID = syntax
    path = tmp_path / "one.dcm"
    dcmwrite(path, dataset, enforce_file_format=True)
    content = path.read_bytes()
    read = read_mammogram(content, path)
    assert len(read.PixelData) > DEFERRED_BYTES
    stored = stored_values(read)
    assert (stored == pixels).all()
    assert np.shares_memory(stored, np.frombuffer(content, "u1")) == (syntax != RLELossless)
    with pytest.raises(Rejected, match="pixel data|cut short|decoding"):
        stored_values(read_mammogram(content[:-40_000], path))


def test_stream_larger_than_the_header_says_is_not_decoded(mammogram):
    stream = bytearray(_jpeg2000(np.zeros((8, 8), np.uint16)))
    at = stream.find(b"\xff\x4f\xff\x51")
    stream[at + 8 : at + 16] = (20_000).to_bytes(4, "big") * 2
    dataset = _compressed(mammogram(np.zeros((8, 8), np.uint16)), JPEG2000Lossless, bytes(stream))
    with pytest.raises(Rejected, match="the stream holds 20000 x 20000, not 8 x 8"):
        stored_values(dataset)


def test_broken_stream_is_an_error(mammogram):
    pixels = np.zeros((8, 8), np.uint16)
    for stream in (b"nonsense", _jpeg2000(pixels)[:60]):
        with pytest.raises(Rejected, match="decoding"):
            stored_values(_compressed(mammogram(pixels), JPEG2000Lossless, stream))
