"""What a user should know of an image though it is no reason to leave it out."""

import pydicom

from mammolab.data.header import is_implant_displaced, text_of

OVERLAY_GROUPS = range(0x6000, 0x6020, 2)


def notes_of(dataset: pydicom.Dataset) -> list[str]:
    """The notes on a header that holds `source.SOURCE_TAGS`, a few words each."""
    notes = []
    if text_of(dataset, "BurnedInAnnotation").upper() == "YES":
        notes.append("burned-in annotation")
    tags = dataset.keys()  # the dataset itself iterates over its elements
    groups = sorted({tag >> 16 for tag in tags} & set(OVERLAY_GROUPS))
    if groups:
        notes.append(f"overlay not drawn: group {', '.join(f'{group:04X}' for group in groups)}")
    if is_implant_displaced(dataset):
        notes.append("implant displaced")
    elif text_of(dataset, "BreastImplantPresent").upper() == "YES":
        notes.append("implant")
    if dataset.get("VOILUTSequence") and dataset.get("WindowCenter") not in (None, ""):
        notes.append("VOI LUT used before the window")
    if dataset.get("PixelPaddingValue") is not None:
        notes.append("padding")
    if text_of(dataset, "LossyImageCompression") == "01":
        notes.append("lossy compression")
    return notes
