"""Files that are no plain 2-D object, read as plain mammograms: literal values, reasons."""

import io
import warnings

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from mammolab.data import source as source_module
from mammolab.data import tomosynthesis
from mammolab.data.grey import stored_values
from mammolab.data.header import Rejected, read_header, spacing_mm_of
from mammolab.data.pixels import to_model_input
from mammolab.data.raster import PNG, read_picture
from mammolab.data.source import SOURCE_TAGS, SourceRules, open_source
from mammolab.errors import InputError

NO = SourceRules()
FILM = SourceRules(film=True)
MIDDLE = SourceRules(tomosynthesis="middle")
SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
VOLUME = "1.2.840.10008.5.1.4.1.1.13.1.3"
GIVEN = {"exam_id": "E7", "patient_id": "P7", "laterality": "R", "view": "MLO"}
ALL = {"VOILUTFunction": "LINEAR_EXACT", "WindowCenter": "2048", "WindowWidth": "4096"}


@pytest.mark.parametrize(
    ("changes", "kind", "reason"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY"]}, "2-D", ""),
        ({"ImageType": ["DERIVED", "PRIMARY", "", ""]}, "2-D", ""),
        (
            {"ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]},
            "synthetic 2-D",
            "",
        ),
        ({"SeriesDescription": "L CC C-View"}, "synthetic 2-D", ""),
        ({"SeriesDescription": "R_MLO_Insight2D"}, "synthetic 2-D", ""),
        ({"SeriesDescription": "L MLO Reviewed"}, "2-D", ""),
        ({"ImageType": ["DERIVED", "PRIMARY", "TOMO_PROJ"]}, "2-D", "tomosynthesis: one of its"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "STEREO_MINUS"]}, "2-D", "biopsy: STEREO_MINUS"),
        (
            {"ImageType": ["DERIVED", "PRIMARY", "POST_CONTRAST", "SUBTRACTION"]},
            "2-D",
            "contrast: POST_CONTRAST",
        ),
        ({"NumberOfFrames": 40}, "tomosynthesis slice", "tomosynthesis: 40 frames"),
        ({"NumberOfFrames": 4000}, "tomosynthesis slice", "image size: 4000 frames"),
        ({"SOPClassUID": SECONDARY}, "film", "film: "),
        ({"SOPClassUID": SECONDARY, "BodyPartExamined": "CHEST"}, "2-D", "SOP class"),
        ({"PartialView": "YES"}, "2-D", "partial view"),
    ],
)
def test_kind_and_reason(tmp_path, write_mammogram, changes, kind, reason):
    source = open_source(write_mammogram(tmp_path / "one.dcm", **changes), {}, NO)
    assert source.kind == kind
    assert source.reason.startswith(reason) and bool(source.reason) == bool(reason)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "an empty file"),
        (b"\xff\xd8\xff\xe0" + bytes(200), "a JPEG picture"),
        (b"II*\0" + bytes(200), "a TIFF picture"),
        (b"P6 1 1 255\n...", "a colour picture (PPM)"),
        (b"P2 1 1 255\n7", "a PGM picture as text"),
        (b"PK\3\4" + bytes(200), "a ZIP archive or an office document"),
        (bytes(5000), "a file that begins with zeros"),
        ("name;Größe\n".encode() * 40, "a text file"),
        ("名".encode() * 100, "a text file"),  # cut within a character after 132 bytes
        (b"\x08\0\5\0CS\x0a\0ISO_IR 100" + bytes(200), "a data set without the DICM prefix"),
        (bytes(range(256)), "a file of unknown format"),
    ],
)
def test_what_a_file_is_that_is_none_of_ours(tmp_path, content, what):
    (tmp_path / "one.dcm").write_bytes(content)
    source = open_source(tmp_path / "one.dcm", {}, NO)
    assert source.reason == f"not DICOM: {what}, where DICOM, PNG and PGM are read"
    assert (source.kind, source.n_bytes, len(source.sha256)) == ("", len(content), 64)


def test_a_large_file_is_read_header_first_and_gives_the_same(tmp_path, mammogram, monkeypatch):
    for changes in ({}, {"NumberOfFrames": 2, "PixelData": bytes(48)}, {"SOPClassUID": SECONDARY}):
        dataset = mammogram(**changes)
        pydicom.dcmwrite(tmp_path / "one.dcm", dataset, enforce_file_format=True)
        small = open_source(tmp_path / "one.dcm", {}, MIDDLE)
        with monkeypatch.context() as patch:
            patch.setattr(source_module, "WHOLE_BYTES", 0)
            large = open_source(tmp_path / "one.dcm", {}, MIDDLE)
        assert (small.kind, small.reason, small.notes) == (large.kind, large.reason, large.notes)
        assert small.sha256 == large.sha256 and small.dataset == large.dataset


def test_notes_reject_nothing(tmp_path, mammogram):
    dataset = mammogram(
        BurnedInAnnotation="YES",
        BreastImplantPresent="YES",
        PixelPaddingValue=0,
        LossyImageCompression="01",
        AccessionNumber="",
        StudyInstanceUID="1.2.9",
    )
    dataset["PixelPaddingValue"].VR = "US"
    dataset.add_new(0x60020010, "US", 3)
    dataset.VOILUTSequence = [Dataset()]
    table = dataset.VOILUTSequence[0]
    table.LUTDescriptor, table.LUTData = [2, 0, 8], [0, 255]
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    pydicom.dcmwrite(tmp_path / "one.dcm", dataset, enforce_file_format=True)
    source = open_source(tmp_path / "one.dcm", {}, NO)
    assert source.reason == ""
    assert source.notes == [
        "burned-in annotation",
        "overlay not drawn: group 6002",
        "implant",
        "VOI LUT used before the window",
        "padding",
        "lossy compression",
        "exam id from StudyInstanceUID",
    ]
    assert source.dataset.AccessionNumber == "1.2.9"


@pytest.mark.parametrize("modality", ["MG", "RG", "CR", "OT"])
def test_film_is_taken_when_asked_for(tmp_path, write_mammogram, modality):
    path = write_mammogram(
        tmp_path / "one.dcm",
        SOPClassUID=SECONDARY,
        Modality=modality,
        ImageLaterality=None,
        Laterality="R",
        ImagerPixelSpacing=None,
        NominalScannedPixelSpacing=[0.05, 0.05],
    )
    assert open_source(path, {}, NO).reason.startswith("film")
    source = open_source(path, {}, FILM)
    assert (source.reason, source.kind) == ("", "film")
    assert source.dataset.ImageLaterality == "R"
    assert spacing_mm_of(source.dataset) == 0.05
    assert to_model_input(source.dataset, 3, 4)[1].flipped


def test_table_fills_what_the_header_lacks_and_may_not_contradict_it(tmp_path, write_mammogram):
    path = write_mammogram(
        tmp_path / "one.dcm", ImageLaterality=None, ViewPosition=None, ImagerPixelSpacing=None
    )
    source = open_source(path, GIVEN | {"spacing_mm": "0.07", "image_id": "i1"}, NO)
    assert source.reason == ""
    dataset = source.dataset
    assert [dataset.AccessionNumber, dataset.PatientID, dataset.SOPInstanceUID] == [
        "E7",
        "P7",
        "i1",
    ]
    assert [dataset.ImageLaterality, dataset.ViewPosition] == ["R", "MLO"]
    assert spacing_mm_of(dataset) == pytest.approx(0.07)
    clear = write_mammogram(tmp_path / "two.dcm")
    for given, reason in [
        ({"laterality": "R"}, "laterality: L in the header, R in the table"),
        ({"view": "MLO"}, "view: CC in the header, MLO in the table"),
        ({"use": "0", "reason": "poor"}, "table: poor"),
    ]:
        assert open_source(clear, given, NO).reason == reason
    assert open_source(path, GIVEN | {"spacing_mm": "wide"}, NO).reason.startswith("table: spacing")
    lateral = write_mammogram(tmp_path / "three.dcm", ViewPosition="ML")
    assert open_source(lateral, {"view": "MLO"}, NO).reason.startswith("view: ML in the header")


def test_a_table_vouches_for_a_header_without_its_type(tmp_path, mammogram):
    dataset = mammogram(SOPClassUID=None, Modality=None, AccessionNumber=None, ImageLaterality=None)
    pydicom.dcmwrite(tmp_path / "one.dcm", dataset, enforce_file_format=True)
    assert open_source(tmp_path / "one.dcm", {}, NO).reason.startswith("modality: none given")
    assert open_source(tmp_path / "one.dcm", GIVEN | {"view": "CC"}, NO).reason == ""


def volume(pixels: np.ndarray, mammogram, **changes) -> Dataset:
    """An enhanced object: what a plain one has at the top lies in its functional groups."""
    dataset = mammogram(pixels[0], ImageLaterality=None, ImagerPixelSpacing=None, **changes)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = VOLUME
    dataset.NumberOfFrames = len(pixels)
    dataset.PixelData = pixels.tobytes()
    del dataset.WindowCenter, dataset.WindowWidth, dataset.PresentationIntentType
    shared, anatomy, measures = Dataset(), Dataset(), Dataset()
    anatomy.FrameLaterality, measures.PixelSpacing = "R", [0.1, 0.1]
    shared.FrameAnatomySequence, shared.PixelMeasuresSequence = [anatomy], [measures]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = []
    for frame in range(len(pixels)):
        window, item = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = f"{2048 + frame}", "4096"
        item.FrameVOILUTSequence = [window]
        dataset.PerFrameFunctionalGroupsSequence.append(item)
    return dataset


FRAMES = np.arange(5 * 8 * 8, dtype=np.uint16).reshape(5, 8, 8) * 10


def jpeg_2000(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
    return stream.getvalue()


@pytest.fixture(params=["native", "jpeg 2000"])
def volume_path(request, tmp_path, mammogram):
    dataset = volume(FRAMES, mammogram)
    if request.param == "jpeg 2000":
        dataset.BitsStored, dataset.HighBit = 16, 15
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
        dataset.PixelData = encapsulate([jpeg_2000(frame) for frame in FRAMES])
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    pydicom.dcmwrite(tmp_path / "volume.dcm", dataset, enforce_file_format=True)
    return tmp_path / "volume.dcm"


def test_tomosynthesis_frame_by_frame(volume_path):
    header = read_header(None, volume_path, SOURCE_TAGS)
    seen = list(tomosynthesis.frames(header, volume_path))
    assert len(seen) == 5
    for number, (frame, pixels) in enumerate(zip(seen, FRAMES, strict=True)):
        assert (stored_values(frame) == pixels).all()
        assert (frame.WindowCenter, frame.ImageLaterality) == (2048 + number, "R")
        assert spacing_mm_of(frame) == 0.1


def test_middle_slice_when_asked_for(volume_path):
    assert open_source(volume_path, {}, NO).reason == (
        "tomosynthesis: 5 frames, a volume and not a 2-D mammogram"
    )
    source = open_source(volume_path, {}, MIDDLE)
    assert (source.reason, source.kind) == ("", "tomosynthesis slice")
    assert source.notes[-1] == "frame 3 of 5"
    assert (stored_values(source.dataset) == FRAMES[2]).all()
    image, record = to_model_input(source.dataset, 8, 8)
    assert record.window == "linear 2050/4096" and record.flipped and image.any()


def test_volume_cut_short(volume_path):
    content = volume_path.read_bytes()
    for cut in (12, 40, 200):
        volume_path.write_bytes(content[:-cut])
        reason = open_source(volume_path, {}, MIDDLE).reason
        assert reason.startswith(("pixel data", "cut short")), reason


def test_one_frame_of_a_volume_object_that_is_generated(tmp_path, mammogram):
    kind = ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]
    dataset = volume(FRAMES[:1], mammogram, ImageType=kind)
    pydicom.dcmwrite(tmp_path / "one.dcm", dataset, enforce_file_format=True)
    source = open_source(tmp_path / "one.dcm", {}, NO)
    assert (source.kind, source.reason) == ("synthetic 2-D", "")
    assert to_model_input(source.dataset, 8, 8)[1].window == "linear 2048/4096"


def test_unknown_choice_for_volumes():
    with pytest.raises(InputError, match="'slab'; valid: reject, middle"):
        SourceRules(tomosynthesis="slab")


def padded(mammogram, **changes) -> Dataset:
    dataset = mammogram(**changes)
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        if keyword in dataset:
            dataset[keyword].VR = "US"
    return dataset


def test_padding_is_black_and_outside_the_range(mammogram):
    pixels = np.zeros((8, 8), np.uint16)
    pixels[1:7, 0:4] = np.linspace(1000, 2000, 24).reshape(6, 4)
    pixels[:, 4:6] = 3000  # touches the breast, and would stretch its range
    pixels[0, 6] = 2990
    without = {"WindowCenter": None, "WindowWidth": None}
    image, record = to_model_input(mammogram(pixels, **without), 8, 8)
    assert record.window == "range 1000..3000"
    ends = {"PixelPaddingValue": 3000, "PixelPaddingRangeLimit": 2980}
    image, record = to_model_input(padded(mammogram, pixels=pixels, **without, **ends), 8, 8)
    assert record.window == "range 1000..2000"
    assert (image[:, 4:] == 0).all() and image[6, 3] == 255


@pytest.mark.parametrize(("photometric", "expected"), [("MONOCHROME1", 255), ("MONOCHROME2", 0)])
def test_padding_is_black_in_both_polarities(mammogram, photometric, expected):
    pixels = np.array([[0, 4095, 77, 0]], np.uint16)
    dataset = padded(
        mammogram, pixels=pixels, PixelPaddingValue=77, PhotometricInterpretation=photometric, **ALL
    )
    image = to_model_input(dataset, 1, 4)[0].ravel().tolist()
    assert image == [expected, 255 - expected, 0, expected]


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def pgm(pixels: np.ndarray, largest: int) -> bytes:
    head = f"P5\n# made by hand\n{pixels.shape[1]} {pixels.shape[0]}\n{largest}\n".encode()
    return head + pixels.astype(">u2" if largest > 255 else "u1").tobytes()


DEEP = np.array([[0, 300, 65535], [258, 1, 4096]], np.uint16)
FLAT = np.array([[0, 3, 255], [8, 1, 96]], np.uint8)


@pytest.mark.parametrize(
    ("content", "pixels", "bits"),
    [
        (png(DEEP), DEEP, 16),
        (png(FLAT), FLAT, 8),
        (pgm(DEEP, 65535), DEEP, 16),
        (pgm(FLAT, 255), FLAT, 8),
        (pgm(DEEP // 16, 4095), DEEP // 16, 12),
    ],
)
def test_pictures(tmp_path, content, pixels, bits):
    assert (stored_values(read_picture(content)) == pixels).all()
    (tmp_path / "one").write_bytes(content)
    assert open_source(tmp_path / "one", {}, NO).reason.startswith("picture: no row of the table")
    untold = {"laterality": "R", "patient_id": "P7"}
    reason = open_source(tmp_path / "one", untold, NO).reason
    assert reason == "picture: its row of the table does not say exam_id, view"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = open_source(tmp_path / "one", GIVEN, NO)
    assert (source.reason, source.kind, source.dataset.BitsStored) == ("", "picture", bits)
    assert to_model_input(source.dataset, 2, 3)[1].flipped
    lacking = open_source(tmp_path / "one", GIVEN | {"laterality": ""}, NO)
    assert lacking.reason == "laterality: none given"


def test_pictures_cut_short_or_damaged():
    for whole in (png(DEEP), pgm(DEEP, 65535)):
        for cut in range(1, len(whole) - 2):
            with pytest.raises(Rejected):
                read_picture(whole[:-cut])
    whole = png(DEEP)
    for at in range(len(PNG), len(whole)):
        with pytest.raises(Rejected):
            read_picture(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])


def test_pictures_that_are_not_grey_or_too_large():
    stream = io.BytesIO()
    Image.fromarray(FLAT).convert("RGBA").save(stream, "PNG")
    with pytest.raises(Rejected, match="pixel format: PNG of colour type 6"):
        read_picture(stream.getvalue())
    with pytest.raises(Rejected, match="image size: 60000 x 60000"):
        read_picture(b"P5 60000 60000 255\n" + bytes(100))
    with pytest.raises(Rejected, match="image size: 0 x 5"):
        read_picture(b"P5 5 0 255\n")
    with pytest.raises(Rejected, match="above the maximum of 100"):
        read_picture(pgm(FLAT, 255).replace(b"\n255\n", b"\n100\n"))


def test_real_film_and_volume(shared_data):
    film = open_source(shared_data / "dicom_mg" / "WG04_MG1_J2KI.dcm", {}, FILM)
    assert (film.reason, film.kind) == ("", "film")
    assert (film.dataset.ImageLaterality, film.dataset.ViewPosition) == ("L", "MLO")
    path = shared_data / "dicom_mg" / "medcognetics_jpeg2k_3d_DBT_noise.dcm"
    slices = list(tomosynthesis.frames(read_header(None, path, SOURCE_TAGS), path))
    whole = pydicom.dcmread(path).pixel_array
    assert all((stored_values(a) == b).all() for a, b in zip(slices, whole, strict=True))
    assert open_source(path, {}, MIDDLE).reason == ""
