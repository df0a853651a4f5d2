"""What hides around the pixels: bytes behind the last one, spare bits, comments in streams."""

import re

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames, get_frame

from mammolab.data.header import NATIVE_SYNTAXES, Rejected, require_pixels
from mammolab.data.tomosynthesis import frames_of

RLE = "1.2.840.10008.1.2.5"
# Segments that hold no part of the picture: APP0-15 and COM of JPEG and JPEG-LS (ISO/IEC 10918-1
# B.1.1.3), COM of JPEG 2000 (ISO/IEC 15444-1 A.9.2).
COMMENTS = {0xFE, *range(0xE0, 0xF0)}
COMMENTS_2000 = {0x64}
# Fixed fields alone: JFIF without a thumbnail, Adobe, SPIFF's header and end of directory.
HARMLESS = re.compile(rb"JFIF\0.{7}\0\0|Adobe.{7}|SPIFF\0.{24}|\0\0\0\x01(\xff\xd8)?", re.DOTALL)
FRAME_TAGS = [
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
]
SOS, SOT, SOD, END = 0xDA, 0x90, 0x93, 0xD9
# Within entropy-coded data FF is followed by 00 (JPEG), by less than 80 (JPEG-LS) or by a restart.
NEXT_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


def clean_pixels(dataset: Dataset) -> int:
    """Cut or blank, in place, what is not picture; every frame decodes to what it did.

    Uncompressed pixels are cut behind the last frame, and bits above BitsStored (where old
    overlays lie) are cleared. Compressed frames are cut behind the end of their stream, comments
    in them become zeros; each frame gets one fragment and the offsets are made anew.

    Returns
    -------
    Bytes cut or changed.

    Raises
    ------
    Rejected : no usable pixels, or a stream whose end cannot be found ("kind: detail").
    """
    require_pixels(dataset)
    cut = _clean_tables(dataset)
    frames, content = frames_of(dataset), dataset.PixelData
    if str(dataset.file_meta.TransferSyntaxUID) in NATIVE_SYNTAXES:
        wanted = dataset.Rows * dataset.Columns * (dataset.BitsAllocated // 8) * frames
        if len(content) < wanted:
            raise Rejected(f"pixel data: {len(content)} bytes where {wanted} belong (truncated)")
        pixels, spare = _without_spare_bits(content[:wanted], dataset)
        padded = pixels + b"\0" * (wanted % 2)
        if padded != content:
            vr = dataset["PixelData"].VR
            dataset.PixelData = padded
            dataset["PixelData"].VR = vr
        return cut + spare + sum(byte != 0 for byte in content[wanted:])
    try:
        found = list(generate_frames(content, number_of_frames=frames))
    except Exception as error:  # noqa: BLE001 - offsets that lead nowhere raise anything
        raise Rejected(f"pixel data: {type(error).__name__}") from None
    if len(found) != frames:
        raise Rejected(f"pixel data: {len(found)} frames where {frames} belong")
    cleaned = []
    for frame in found:
        if str(dataset.file_meta.TransferSyntaxUID) == RLE:
            one = frame[: _rle_end(frame, dataset)]
        else:
            one = _plain_stream(frame)
        cut += len(frame[len(one) :].strip(b"\0")) + _differ(frame, one)
        cleaned.append(one)
    dataset.PixelData = encapsulate(cleaned, has_bot=frames > 1)
    dataset["PixelData"].VR = "OB"
    return cut


def middle_frame(dataset: Dataset) -> Dataset:
    """The frame in the middle of an object with clean pixels, as `grey.stored_values` reads it."""
    count = frames_of(dataset)
    if count == 1:
        return dataset
    frame, number = Dataset(), count // 2
    frame.file_meta = dataset.file_meta
    for keyword in FRAME_TAGS:
        if keyword in dataset:
            frame[keyword] = dataset[keyword]
    if str(dataset.file_meta.TransferSyntaxUID) in NATIVE_SYNTAXES:
        size = dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8
        frame.PixelData = dataset.PixelData[number * size : (number + 1) * size]
    else:
        stream = get_frame(dataset.PixelData, number, number_of_frames=count)
        frame.PixelData = encapsulate([stream])
    return frame


def _differ(one: bytes, other: bytes) -> int:
    length = min(len(one), len(other))
    first, second = (np.frombuffer(part, np.uint8, length) for part in (one, other))
    return int((first != second).sum())


def _without_spare_bits(content: bytes, dataset: Dataset) -> tuple[bytes, int]:
    spare = dataset.BitsAllocated - dataset.BitsStored
    if not spare or dataset.get("PixelRepresentation", 0):  # of signed values they are the sign
        return content, 0
    values = np.frombuffer(content, f"<u{dataset.BitsAllocated // 8}")
    highest = (1 << dataset.BitsStored) - 1
    set_bits = values > highest
    if not set_bits.any():
        return content, 0
    return (values & highest).tobytes(), int(set_bits.sum())


def _clean_tables(dataset: Dataset) -> int:
    """Cut lookup tables, at any depth, to the entries that their descriptor counts."""
    cut = 0
    for element in dataset:
        if element.VR == "SQ":
            cut += sum(_clean_tables(item) for item in element.value)
    if "LUTData" not in dataset:
        return cut
    try:
        entries, _, bits = (int(value) for value in dataset.LUTDescriptor)
    except (AttributeError, TypeError, ValueError):
        raise Rejected("grey values: a lookup table without a descriptor") from None
    entries, data, vr = entries or 65536, dataset.LUTData, dataset["LUTData"].VR
    if isinstance(data, bytes):
        wide = not (bits <= 8 and len(data) in (entries, entries + 1))
        wanted = entries * (1 + wide)
        kept = data[:wanted] + b"\0" * (wanted % 2)
    else:
        kept = list(data)[:entries] if not isinstance(data, int) else data
    if kept != data:
        dataset.LUTData = kept
        dataset["LUTData"].VR = vr
        cut += abs(len(data) - len(kept))
    return cut


def _plain_stream(frame: bytes) -> bytes:
    """A JPEG, JPEG-LS or JPEG 2000 stream with blank comments, up to its end marker."""
    if frame[4:8] == b"jP  ":  # the boxes of a JP2 file around the stream may hold anything
        frame = frame[max(frame.find(b"\xff\x4f\xff\x51"), 0) :]
    if frame[:2] not in (b"\xff\xd8", b"\xff\x4f"):
        raise Rejected("pixel data: the stream begins with no start marker")
    is_2000, clean, at, tile_end = frame[:2] == b"\xff\x4f", bytearray(frame), 2, None
    comments = COMMENTS_2000 if is_2000 else COMMENTS
    while at + 2 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == END:
            return bytes(clean[: at + 2])
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if is_2000 and marker == SOD:
            if tile_end is None or tile_end <= at:  # length 0: up to the end of the stream
                tile_end = frame.rfind(b"\xff\xd9")
            at = tile_end
            continue
        length = int.from_bytes(frame[at + 2 : at + 4], "big")
        if length < 2:
            break
        if is_2000 and marker == SOT:
            tile_bytes = int.from_bytes(frame[at + 6 : at + 10], "big")
            tile_end = at + tile_bytes if tile_bytes else None
        if marker in comments and not HARMLESS.fullmatch(frame[at + 4 : at + 2 + length]):
            held = slice(at + 4, min(at + 2 + length, len(frame)))
            clean[held] = bytes(held.stop - held.start)
        at += 2 + length
        if not is_2000 and marker == SOS:
            following = NEXT_MARKER.search(frame, at)
            if following is None:
                break
            at = following.start()
    raise Rejected("pixel data: the stream has no end marker (truncated)")


def _rle_end(frame: bytes, dataset: Dataset) -> int:
    """Where the last segment of a run-length stream is complete (DICOM PS3.5 annex G)."""
    count = int.from_bytes(frame[:4], "little")
    if not 1 <= count <= 4 or len(frame) < 64:
        raise Rejected("pixel data: no run-length stream")
    offsets = [int.from_bytes(frame[4 * n : 4 * n + 4], "little") for n in range(1, count + 1)]
    if any(frame[4 + 4 * count : 64]) or offsets != sorted(offsets) or offsets[0] != 64:
        raise Rejected("pixel data: odd offsets in the run-length stream")
    at, missing = offsets[-1], dataset.Rows * dataset.Columns
    while missing > 0 and at + 1 < len(frame):
        run = frame[at]
        if run < 128:
            at, missing = at + 2 + run, missing - 1 - run
        else:
            at, missing = at + (2 if run > 128 else 1), missing - (257 - run if run > 128 else 0)
    if missing > 0 or at > len(frame):
        raise Rejected("pixel data: the run-length stream is cut short")
    return at + at % 2
