"""Decoders for the compressions that pydicom's own set of plugins leaves out."""

import importlib.util

import numpy as np
import pydicom
from pydicom.pixels import get_decoder

from mammolab.data.header import TRANSFER_SYNTAXES, Rejected

# Function of imagecodecs by transfer syntax. HTJ2K goes through OpenJPEG: OpenJPH is twice as
# fast, and fills up a damaged stream without a word.
CODECS = {
    "1.2.840.10008.1.2.4.57": "jpeg8_decode",
    "1.2.840.10008.1.2.4.70": "jpeg8_decode",
    "1.2.840.10008.1.2.4.80": "jpegls_decode",
    "1.2.840.10008.1.2.4.81": "jpegls_decode",
    "1.2.840.10008.1.2.4.201": "jpeg2k_decode",
    "1.2.840.10008.1.2.4.202": "jpeg2k_decode",
    "1.2.840.10008.1.2.4.203": "jpeg2k_decode",
}


def decode(dataset: pydicom.Dataset, frame: bytes) -> np.ndarray:
    """Decode one compressed frame, whose stream has been compared with its header.

    Parameters
    ----------
    dataset : header of the image, with PixelData of this one frame.
    frame : the compressed stream.

    Returns
    -------
    Integer array of BitsAllocated, signed where PixelRepresentation says so.

    Raises
    ------
    Rejected : nothing that is installed decodes this transfer syntax.
    """
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    if syntax in CODECS and importlib.util.find_spec("imagecodecs"):
        import imagecodecs

        values = np.asarray(getattr(imagecodecs, CODECS[syntax])(frame))
        width = int(dataset.BitsAllocated) // 8
        signed = int(dataset.get("PixelRepresentation", 0)) == 1
        return values.astype(f"u{width}", copy=False).view(f"{'i' if signed else 'u'}{width}")
    if not get_decoder(dataset.file_meta.TransferSyntaxUID).is_available:
        raise Rejected(f"decoder: none for {TRANSFER_SYNTAXES[syntax]}; imagecodecs has one")
    return dataset.pixel_array
