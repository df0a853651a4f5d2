"""Pictures without a header: 16-bit PNG and PGM (P5), read as the mammogram a table says they are."""

import re
from io import BytesIO
from zlib import crc32

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from mammolab.data.header import FOR_PRESENTATION, MAX_PIXELS, Rejected

PNG = b"\x89PNG\r\n\x1a\n"
PGM = b"P5"
PICTURE_SYNTAXES = {PNG: "PNG", PGM: "PGM"}
PREFIX_BYTES = 132  # what tells the format of a file: the preamble of DICOM and its prefix
# What else lies in archives, by its first bytes.
OTHER_FORMATS = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"\0\0\0\x0cjP  \r\n\x87\n": "a JPEG 2000 picture",
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"P2": "a PGM picture as text",
    b"P6": "a colour picture (PPM)",
    b"%PDF": "a PDF document",
    b"PK\3\4": "a ZIP archive or an office document",
    b"\x1f\x8b": "a gzip archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\xd0\xcf\x11\xe0": "an old office document or a thumbnail list",
    b"SQLite format 3": "a database",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"\0\5\x16\7": "a resource file of macOS",
}
_PGM_HEADER = re.compile(rb"P5(?:\s+|#[^\n]*\n)+(\d{1,6})(?:\s+|#[^\n]*\n)+(\d{1,6})"
                         rb"(?:\s+|#[^\n]*\n)+(\d{1,5})\s")  # fmt: skip
_GREY = 0  # colour type of a PNG without palette, colour or alpha


def picture_format(beginning: bytes) -> str | None:
    """PNG or PGM by the first bytes of a file, None for anything else."""
    for magic, name in PICTURE_SYNTAXES.items():
        if beginning.startswith(magic):
            return name
    return None


def other_format(beginning: bytes) -> str | None:
    """What a file is that is neither DICOM nor a picture we read; None where it may be DICOM.

    Parameters
    ----------
    beginning : the first `PREFIX_BYTES`, or all of a shorter file.

    Examples
    --------
    >>> other_format(b""), other_format(b"GIF89a"), other_format(bytes(128) + b"DICM")
    ('an empty file', 'a GIF picture', None)
    """
    if beginning[128:PREFIX_BYTES] == b"DICM":
        return None
    if not beginning:
        return "an empty file"
    for magic, name in OTHER_FORMATS.items():
        if beginning.startswith(magic):
            return name
    if not beginning.strip(b"\0"):
        return "a file that begins with zeros"
    if beginning[:2] in (b"\x08\0", b"\x02\0") and beginning[3:4] == b"\0":
        return "a data set without the DICM prefix"
    try:
        # A character that is cut at the end is no reason to call it binary.
        text = beginning.decode("utf-8", "strict" if len(beginning) < PREFIX_BYTES else "ignore")
    except UnicodeDecodeError:
        return "a file of unknown format"
    printable = all(character.isprintable() or character.isspace() for character in text)
    return "a text file" if printable else "a file of unknown format"


def read_picture(content: bytes) -> pydicom.Dataset:
    """Read a grey PNG or PGM as a mammogram that still lacks all it cannot say itself.

    Parameters
    ----------
    content : the whole file.

    Returns
    -------
    Dataset for presentation, MONOCHROME2, native pixels of 8 or 16 bits; without ids, laterality,
    view, spacing and window.

    Raises
    ------
    Rejected : another kind of picture, one above the cap, or one that is cut short or damaged
        (every checksum of a PNG is compared, since its decoder passes over them).
    """
    values, bits = _png(content) if picture_format(content) == "PNG" else _pgm(content)
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.Modality = FOR_PRESENTATION, "MG"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated, dataset.BitsStored = 8 * values.dtype.itemsize, bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def _png(content: bytes) -> tuple[np.ndarray, int]:
    """Grey values, little-endian, and their bits (ISO/IEC 15948)."""
    chunks = _png_chunks(content)
    if chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise Rejected("picture: PNG without a header")
    columns, rows = (int.from_bytes(chunks[0][1][at : at + 4], "big") for at in (0, 4))
    bits, colour = chunks[0][1][8:10]
    if colour != _GREY or bits not in (8, 16):
        raise Rejected(f"pixel format: PNG of colour type {colour}, {bits} bits, not 8 or 16 grey")
    _require_size(rows, columns)
    # Without the optional chunks, which hold text and profiles that nobody needs to inflate.
    plain = [chunk for chunk in chunks if chunk[0] in (b"IHDR", b"IDAT", b"IEND")]
    stream = PNG + b"".join(
        len(data).to_bytes(4, "big") + kind + data + crc32(kind + data).to_bytes(4, "big")
        for kind, data in plain
    )
    try:
        with Image.open(BytesIO(stream), formats=("PNG",)) as image:
            values = np.asarray(image)
    except Exception as error:  # noqa: BLE001 - zlib, struct and Pillow raise their own
        raise Rejected(f"decoding: {type(error).__name__}") from None
    if values.shape != (rows, columns):
        raise Rejected(f"decoding: {values.shape} where {rows} x {columns} belong")
    return values.astype("<u2" if bits == 16 else "u1"), bits


def _png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and data of each chunk, checksums compared, up to the end chunk."""
    chunks, at = [], len(PNG)
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        check = content[at + 8 + length : at + 12 + length]
        if len(data) < length or check != crc32(kind + data).to_bytes(4, "big"):
            raise Rejected("pixel data: PNG cut short or damaged")
        chunks.append((kind, data))
        if kind == b"IEND":
            return chunks
        at += 12 + length
    raise Rejected("pixel data: PNG cut short")


def _pgm(content: bytes) -> tuple[np.ndarray, int]:
    """Grey values, little-endian, and their bits (netpbm's PGM: big-endian above 255)."""
    header = _PGM_HEADER.match(content[:4096])
    if header is None:
        raise Rejected("picture: PGM without a header")
    columns, rows, largest = map(int, header.groups())
    if not 1 <= largest <= 65535:
        raise Rejected(f"pixel format: PGM with a maximum of {largest}")
    _require_size(rows, columns)
    kind = np.dtype(">u2" if largest > 255 else "u1")
    expected, held = rows * columns * kind.itemsize, len(content) - header.end()
    if held < expected:
        raise Rejected(f"pixel data: {held} bytes where {expected} belong (truncated)")
    values = np.frombuffer(content, kind, rows * columns, header.end()).reshape(rows, columns)
    if values.max() > largest:
        raise Rejected(f"pixel data: values above the maximum of {largest}")
    return values.astype(kind.newbyteorder("<")), largest.bit_length()


def _require_size(rows: int, columns: int) -> None:
    """The same cap as for DICOM, before anything is decoded."""
    if not 1 <= rows * columns <= MAX_PIXELS:
        raise Rejected(f"image size: {rows} x {columns}, where 1 to {MAX_PIXELS} pixels are read")
