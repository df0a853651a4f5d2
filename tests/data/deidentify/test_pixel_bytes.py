"""Frames stay what they are, byte for byte; what lies beside them does not."""

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from mammolab.data.deidentify.pixel_bytes import clean_pixels, middle_frame
from mammolab.data.grey import stored_values
from mammolab.data.header import Rejected

RNG = np.random.default_rng(7)
PIXELS = RNG.integers(0, 4096, (3, 40, 32)).astype(np.uint16)
ENCODE = {
    JPEGLosslessSV1: lambda frame: imagecodecs.jpeg8_encode(frame, lossless=True, bitspersample=12),
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEG2000Lossless: lambda frame: imagecodecs.jpeg2k_encode(frame, level=0, codecformat="J2K"),
    HTJ2KLossless: lambda frame: imagecodecs.htj2k_encode(frame, reversible=True),
}


def _compressed(dataset, syntax, streams):
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.NumberOfFrames = len(streams)
    dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].VR = "OB"
    return dataset


def _without_comment(stream):
    """A JPEG 2000 encoder's own comment is blanked like any other."""
    at = stream.find(b"\xff\x64")
    if stream[:2] != b"\xff\x4f" or at < 0:
        return stream
    length = int.from_bytes(stream[at + 2 : at + 4], "big")
    return stream[: at + 4] + bytes(length - 2) + stream[at + 2 + length :]


@pytest.mark.parametrize("syntax", ENCODE)
@pytest.mark.parametrize("n_frames", [1, 3])
def test_clean_streams_are_left_as_they_are(mammogram, syntax, n_frames):
    streams = [ENCODE[syntax](frame) for frame in PIXELS[:n_frames]]
    dataset = _compressed(mammogram(PIXELS[0]), syntax, streams)
    clean_pixels(dataset)
    found = list(generate_frames(dataset.PixelData, number_of_frames=n_frames))
    for frame, stream in zip(found, streams, strict=True):
        expected = _without_comment(stream)
        assert frame[: len(expected)] == expected and not frame[len(expected) :].strip(b"\0")
    assert (stored_values(middle_frame(dataset)) == PIXELS[n_frames // 2]).all()


@pytest.mark.parametrize("seed", range(20))
def test_run_length_streams_end_where_they_end(mammogram, seed):
    rng = np.random.default_rng(seed)
    pixels = np.repeat(rng.integers(0, 4096, (20, 8)), rng.integers(1, 9), axis=1).astype(np.uint16)
    dataset = mammogram(pixels)
    dataset.compress(RLELossless)
    (before,) = generate_frames(dataset.PixelData, number_of_frames=1)
    assert clean_pixels(dataset) == 0
    (after,) = generate_frames(dataset.PixelData, number_of_frames=1)
    assert after == before
    dataset.PixelData = encapsulate([before + b"HIDDEN TEXT!"])
    assert clean_pixels(dataset) == 12
    (after,) = generate_frames(dataset.PixelData, number_of_frames=1)
    assert after == before and (stored_values(dataset) == pixels).all()


def test_uncompressed_pixels_stay_the_same_object(mammogram):
    dataset = mammogram(PIXELS[0])
    before = dataset.PixelData
    assert clean_pixels(dataset) == 0 and dataset.PixelData == before == PIXELS[0].tobytes()


def test_several_frames_are_cut_behind_the_last(mammogram):
    dataset = mammogram(PIXELS[0], NumberOfFrames=3)
    dataset.PixelData = PIXELS.tobytes() + b"NAME"
    assert clean_pixels(dataset) == 4 and dataset.PixelData == PIXELS.tobytes()
    assert (stored_values(middle_frame(dataset)) == PIXELS[1]).all()


def test_bits_that_hold_an_old_overlay_are_cleared(mammogram):
    dataset = mammogram(PIXELS[0])
    hidden = PIXELS[0].copy()
    hidden[3, 4:9] |= 0x8000
    dataset.PixelData = hidden.tobytes()
    assert clean_pixels(dataset) == 5 and dataset.PixelData == PIXELS[0].tobytes()


def test_signs_are_no_overlay(mammogram):
    signed = (PIXELS[0].astype(np.int16)) - 2048
    dataset = mammogram(signed)
    assert clean_pixels(dataset) == 0 and dataset.PixelData == signed.tobytes()


@pytest.mark.parametrize(
    ("syntax", "stream"),
    [
        (JPEGLosslessSV1, ENCODE[JPEGLosslessSV1](PIXELS[0])[:-40]),
        (JPEG2000Lossless, ENCODE[JPEG2000Lossless](PIXELS[0])[:90]),
        (JPEGLSLossless, b"not a stream"),
        (RLELossless, b"\x02\0\0\0" + b"\x40\0\0\0" + b"\x50\0\0\0" + bytes(60)),
        (RLELossless, b"\x01\0\0\0" + b"\x40\0\0\0" + b"NAME" + bytes(60)),
    ],
)
def test_streams_without_an_end_are_refused(mammogram, syntax, stream):
    with pytest.raises(Rejected):
        clean_pixels(_compressed(mammogram(PIXELS[0]), syntax, [stream]))


def test_the_boxes_of_a_jp2_file_go(mammogram):
    wrapped = imagecodecs.jpeg2k_encode(PIXELS[0], level=0, codecformat="JP2")
    assert wrapped[4:8] == b"jP  "
    dataset = _compressed(mammogram(PIXELS[0]), JPEG2000Lossless, [wrapped + b"NAME"])
    clean_pixels(dataset)
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    assert frame.startswith(b"\xff\x4f\xff\x51") and b"jP  " not in frame
    assert (stored_values(dataset) == PIXELS[0]).all()


def test_truncated_frames_are_refused(mammogram):
    dataset = mammogram(PIXELS[0], NumberOfFrames=3)
    dataset.PixelData = PIXELS[:2].tobytes()
    with pytest.raises(Rejected, match="truncated"):
        clean_pixels(dataset)


def test_random_bytes_as_a_stream_end_in_a_reason(mammogram):
    rng = np.random.default_rng(3)
    starts = [b"\xff\xd8", b"\xff\x4f\xff\x51\0\x29", b"\xff\xd8\xff\xfe\xff\xff"]
    for number in range(200):
        stream = starts[number % 3] + rng.bytes(int(rng.integers(0, 400)))
        dataset = _compressed(mammogram(PIXELS[0]), JPEG2000Lossless, [stream])
        try:
            clean_pixels(dataset)
        except Rejected:
            continue
        (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
        assert frame.rstrip(b"\0")[-1:] == b"\xd9"


def test_pydicom_writes_what_was_cleaned(tmp_path, mammogram):
    dataset = _compressed(
        mammogram(PIXELS[0]), JPEGLSLossless, [ENCODE[JPEGLSLossless](PIXELS[0]) + b"NAME"]
    )
    clean_pixels(dataset)
    pydicom.dcmwrite(tmp_path / "one.dcm", dataset, enforce_file_format=True)
    again = pydicom.dcmread(tmp_path / "one.dcm")
    assert (stored_values(again) == PIXELS[0]).all()
    assert b"NAME" not in (tmp_path / "one.dcm").read_bytes()
