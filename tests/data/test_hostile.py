"""Files made to break a reader: contained, refused with a reason, and the run goes on."""

import importlib.util
import io
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from mammolab.data import workers
from mammolab.data.grey import stored_values
from mammolab.data.header import Rejected
from mammolab.data.ingest_command import IngestRequest, ingest
from mammolab.data.source import SourceRules, open_source
from mammolab.data.store import open_store

RULES = SourceRules(film=True, tomosynthesis="middle")
SECONDS = 15  # of mutants in all; what is left of the plan then stays untried
MUTANTS = 120  # a seed file
ROWS, COLUMNS = 48, 40
DEEP = (np.add.outer(np.arange(ROWS), np.arange(COLUMNS)) * 37 % 4096).astype(np.uint16)
FLAT = (DEEP >> 4).astype(np.uint8)


def jpeg(pixels: np.ndarray, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


STREAMS: dict[str, tuple[str, np.ndarray, Callable[[], bytes]]] = {
    "jpeg 2000": (
        JPEG2000Lossless,
        DEEP,
        lambda: jpeg(DEEP, "JPEG2000", irreversible=False, no_jp2=True),
    ),
    "jpeg 2000 lossy": (
        JPEG2000,
        DEEP,
        lambda: jpeg(
            DEEP,
            *("JPEG2000",),
            irreversible=True,
            no_jp2=True,
            quality_mode="rates",
            quality_layers=[8],
        ),
    ),
    "jpeg": (JPEGBaseline8Bit, FLAT, lambda: jpeg(FLAT, "JPEG", quality=95)),
}
if importlib.util.find_spec("imagecodecs"):
    import imagecodecs

    STREAMS |= {
        "jpeg lossless": (JPEGLosslessSV1, DEEP, lambda: imagecodecs.ljpeg_encode(DEEP)),
        "jpeg-ls": (JPEGLSLossless, DEEP, lambda: imagecodecs.jpegls_encode(DEEP)),
        "htj2k": (
            "1.2.840.10008.1.2.4.201",
            DEEP,
            lambda: imagecodecs.htj2k_encode(DEEP),
        ),
    }
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL = [path for path in sorted(SHARED.glob("dicom_*/*.dcm")) if path.stat().st_size < 2**19]
NATIVE = {"explicit": ExplicitVRLittleEndian, "implicit": ImplicitVRLittleEndian}


def compressed(mammogram, name: str, stream: bytes | None = None, **changes) -> Dataset:
    syntax, pixels, encode = STREAMS[name]
    bits = 8 * pixels.dtype.itemsize
    dataset = mammogram(pixels, **({"BitsStored": bits} | changes))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([encode() if stream is None else stream])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    return dataset


def bytes_of(dataset: Dataset) -> bytes:
    content = io.BytesIO()
    pydicom.dcmwrite(content, dataset, enforce_file_format=True)
    return content.getvalue()


def seeds(mammogram) -> dict[str, bytes]:
    """A small file of each transfer syntax that can be written here, a volume, PNG and PGM."""
    files = {}
    for name, syntax in NATIVE.items():
        dataset = mammogram(DEEP)
        dataset.file_meta.TransferSyntaxUID = syntax
        files[name] = bytes_of(dataset)
    rle = mammogram(DEEP)
    rle.compress(RLELossless)
    files["rle"] = bytes_of(rle)
    files |= {name: bytes_of(compressed(mammogram, name)) for name in STREAMS}
    files["volume"] = bytes_of(mammogram(DEEP, NumberOfFrames=3, PixelData=DEEP.tobytes() * 3))
    files["png"] = jpeg(DEEP, "PNG")
    files["pgm"] = f"P5 {COLUMNS} {ROWS} 4095\n".encode() + DEEP.astype(">u2").tobytes()
    return files


def run(folder, out, min_views: int = 1, table=None) -> pd.DataFrame:
    """Ingest a folder and return its index, every file in it once."""
    request = IngestRequest(
        folder, out, 16, 16, min_views=min_views, rules=RULES, table=table, workers=2
    )
    ingest(request, lambda line: None)
    index = pd.read_csv(out / "index.csv", dtype=str, keep_default_na=False)
    assert index["path"].is_unique
    assert ((index["reason"] == "") == (index["status"] == "ok")).all()
    return index.set_index("path")


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """Some bytes changed, or a piece doubled, left out, or put elsewhere."""
    mutant = bytearray(content)
    for at in random.integers(100, len(content), random.integers(1, 10)):
        mutant[at] = random.integers(256)
    start, end = sorted(random.integers(132, len(content), 2))
    what = random.integers(5)
    if what == 1:
        mutant[end:end] = mutant[start : min(end, start + 200)]
    elif what == 2:
        del mutant[start : min(end, start + 50)]
    elif what == 3:
        mutant[start : start + 4] = b"\xff\xff\xff\xff"
    return bytes(mutant)


def test_mutants_cost_their_row_and_nothing_else(tmp_path, mammogram):
    files = seeds(mammogram)
    files |= {f"real {path.stem}": path.read_bytes() for path in REAL}
    random = np.random.default_rng(23)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "whole.dcm").write_bytes(files["explicit"])
    rows = ["path,exam_id,image_id,patient_id,laterality,view"]
    began, n_files = time.monotonic(), 1
    for number in range(MUTANTS):
        if time.monotonic() - began > SECONDS / 3:
            break
        for name, content in files.items():
            path = folder / f"{name} {number}"
            path.write_bytes(mutated(content, random))
            row = f"{path.name},{path.name},{n_files},P"
            rows.append(f"{row},L,CC" if name in ("png", "pgm") else f"{row},,")
            n_files += 1
    table = tmp_path / "table.csv"
    table.write_text("\n".join(rows))
    index = run(folder, tmp_path / "out", table=table)
    assert len(index) == n_files and index.loc["whole.dcm", "status"] == "ok"
    store = open_store(tmp_path / "out" / "images.npy")
    assert len(store) == (index["status"] == "ok").sum()
    assert not index["reason"].str.contains("killed its reader").any()


@pytest.mark.parametrize("name", [*NATIVE, "rle", *STREAMS, "volume", "png", "pgm"])
def test_a_truncated_file_is_never_decoded_into_other_pixels(tmp_path, mammogram, name):
    """Cut anywhere: refused; or whole in all that counts, such as an end marker's padding."""
    content = seeds(mammogram)[name]
    path = tmp_path / "one"
    given = {"exam_id": "E", "patient_id": "P", "laterality": "L", "view": "CC"}
    path.write_bytes(content)
    source = open_source(path, given, RULES)
    whole = stored_values(source.dataset)
    assert source.reason == ""
    step = max(1, len(content) // 150)
    for cut in [*range(1, 30), *range(30, len(content), step)]:
        path.write_bytes(content[:-cut])
        source = open_source(path, given, RULES)
        if not source.reason:
            assert cut < 10, f"{cut} bytes less were not noticed"
            assert (stored_values(source.dataset) == whole).all()


@pytest.mark.parametrize("name", list(STREAMS))
def test_a_truncated_stream_in_a_whole_file_is_refused(mammogram, name):
    stream = STREAMS[name][2]()
    for cut in [*range(1, 20), len(stream) // 4, len(stream) // 2]:
        with pytest.raises(Rejected):
            stored_values(compressed(mammogram, name, stream[:-cut]))


def test_bombs_and_traps_are_contained(tmp_path, mammogram, write_mammogram):
    folder = tmp_path / "in"
    whole = write_mammogram(folder / "whole.dcm").read_bytes()
    deflated = mammogram()
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    pydicom.dcmwrite(folder / "deflated.dcm", deflated, enforce_file_format=True)
    with (folder / "deflated.dcm").open("ab") as file:
        file.write(zlib.compress(b"\0" * 20_000_000))

    stream = bytearray(STREAMS["jpeg 2000"][2]())
    at = stream.find(b"\xff\x4f\xff\x51")
    stream[at + 8 : at + 16] = (20_000).to_bytes(4, "big") * 2
    claims = compressed(mammogram, "jpeg 2000", bytes(stream))
    (folder / "j2k.dcm").write_bytes(bytes_of(claims))
    stream = bytearray(STREAMS["jpeg"][2]())
    at = stream.find(b"\xff\xc0")
    stream[at + 5 : at + 9] = (60_000).to_bytes(2, "big") * 2
    (folder / "jpeg.dcm").write_bytes(bytes_of(compressed(mammogram, "jpeg", bytes(stream))))

    rle = mammogram(DEEP)
    rle.compress(RLELossless)
    rle.Rows = rle.Columns = 60_000
    (folder / "rle.dcm").write_bytes(bytes_of(rle))
    write_mammogram(folder / "frames.dcm", NumberOfFrames=10**9)

    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    opening = b"\x54\x00\x20\x02SQ\0\0\xff\xff\xff\xff" + item
    meta_end = 144 + int.from_bytes(whole[140:144], "little")
    (folder / "nested.dcm").write_bytes(whole[:meta_end] + opening * 3000)
    huge = b"\xe0\x7f\x10\x00OW\0\0" + (2**32 - 2).to_bytes(4, "little")
    (folder / "length.dcm").write_bytes(whole[: whole.index(b"\xe0\x7f\x10\x00")] + huge)

    (tmp_path / "secret.dcm").write_bytes(whole)
    directory = mammogram(SOPClassUID="1.2.840.10008.1.3.10", Modality=None, PixelData=None)
    record = Dataset()
    record.DirectoryRecordType = "IMAGE"
    with pydicom.config.disable_value_validation():
        record.ReferencedFileID = ["..", "secret.dcm"]
    directory.DirectoryRecordSequence = [record]
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    with pydicom.config.disable_value_validation():
        pydicom.dcmwrite(folder / "DICOMDIR", directory, enforce_file_format=True)

    index = run(folder, tmp_path / "out")
    expected = {
        "whole.dcm": "",
        "deflated.dcm": f"transfer syntax: {DeflatedExplicitVRLittleEndian}",
        "j2k.dcm": "decoding: the stream holds 20000 x 20000",
        "jpeg.dcm": "decoding: the stream holds 60000 x 60000",
        "rle.dcm": "image size: 60000 x 60000 is above the cap",
        "frames.dcm": "image size: 1000000000 frames",
        "nested.dcm": "unreadable header: RecursionError",
        "length.dcm": "pixel data: ",
        "DICOMDIR": "directory: a DICOMDIR",
    }
    assert set(index.index) == set(expected)  # nothing outside the folder
    for path, reason in expected.items():
        assert index.loc[path, "reason"].startswith(reason), (path, index.loc[path, "reason"])


def _spin(item: int) -> int:
    while item == 3:
        pass
    return item


def test_an_endless_decoder_costs_its_file_alone(monkeypatch):
    monkeypatch.setattr(workers, "SECONDS_PER_ITEM", 0.5)
    answers = workers.contained_stream(_spin, range(5), 1, lambda item: -item, chunk_size=1)
    assert list(answers) == [0, 1, 2, -3, 4]
