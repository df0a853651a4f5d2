"""What is kept, moved and replaced in a header, and that conversion gives the same image."""

import io
import warnings

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from mammolab.data.deidentify import rules
from mammolab.data.deidentify.attributes import deidentify_header
from mammolab.data.deidentify.pixel_bytes import clean_pixels
from mammolab.data.deidentify.pseudonyms import Pseudonyms
from mammolab.data.header import Rejected, is_implant_displaced, view_of
from mammolab.data.pixels import to_model_input
from mammolab.data.source import SourceRules, open_source

KEY = Pseudonyms(b"key")
NEEDED = {
    "ImageType": ["DERIVED", "PRIMARY"],
    "BodyPartThickness": "52",
    "CompressionForce": "101.5",
    "KVP": "29",
    "ExposureInuAs": "84000",
    "OrganDose": "0.0133",
    "BreastImplantPresent": "YES",
    "PatientOrientation": ["A", "L"],
    "EstimatedRadiographicMagnificationFactor": "1.07",
    "WindowCenter": ["2048", "1024"],
    "WindowWidth": ["4096", "512"],
    "VOILUTFunction": "SIGMOID",
    "PixelPaddingValue": 0,
    "SoftwareVersions": "AWS:1.9_x",
    "PartialView": "NO",
    "InstanceNumber": "3",
}


def _coded(value, meaning, scheme="SCT"):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def test_what_conversion_and_research_need_stays(known_mammogram):
    dataset = known_mammogram(**NEEDED)
    dataset["PixelPaddingValue"].VR = "US"
    view = _coded("R-10226", "medio-lateral oblique", "SRT")
    view.ViewModifierCodeSequence = [_coded("399209000", "implant displaced")]
    dataset.ViewCodeSequence = [view]
    before = {keyword: dataset.get(keyword) for keyword in NEEDED}
    image, conversion = to_model_input(dataset, 12, 10)
    deidentify_header(dataset, KEY)
    assert {keyword: dataset.get(keyword) for keyword in NEEDED} == before
    assert (dataset.Manufacturer, dataset.ManufacturerModelName) == ("maker", "model")
    assert view_of(dataset) == "MLO" and is_implant_displaced(dataset)
    assert dataset.ViewCodeSequence[0].CodeMeaning == "medio-lateral oblique"
    after, again = to_model_input(dataset, 12, 10)
    assert (after == image).all() and again == conversion


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_file_of_either_encoding_gives_the_same_image(tmp_path, known_mammogram, syntax):
    dataset = known_mammogram(PixelPaddingValue=0, PixelPaddingRangeLimit=7)
    dataset.file_meta.TransferSyntaxUID = syntax
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4096, 0, 12], list(range(4095, -1, -1))
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    dataset.VOILUTSequence = [table]
    pydicom.dcmwrite(tmp_path / "in.dcm", dataset, enforce_file_format=True)
    read = pydicom.dcmread(tmp_path / "in.dcm")
    clean_pixels(read)
    deidentify_header(read, KEY)
    pydicom.dcmwrite(tmp_path / "out.dcm", read, enforce_file_format=True)
    (before, how), (after, again) = (
        to_model_input(tmp_path / name, 12, 10) for name in ("in.dcm", "out.dcm")
    )
    assert (before == after).all() and how == again and how.window.startswith("lut")
    assert pydicom.dcmread(tmp_path / "out.dcm").PixelPaddingRangeLimit == 7


def test_the_header_says_what_was_done(known_mammogram):
    dataset = known_mammogram()
    deidentify_header(dataset, KEY)
    assert dataset.PatientIdentityRemoved == "YES"
    assert dataset.LongitudinalTemporalInformationModified == "MODIFIED"
    codes = [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113107", "113108"]
    # type 2 of the patient, study and equipment modules: there, and empty or replaced
    for keyword in ("PatientBirthDate", "PatientSex", "StudyTime", "ReferringPhysicianName"):
        assert dataset[keyword].value in ("", None)
    assert dataset.PatientName == dataset.PatientID == KEY.of("patient", "MRN4711223")


@pytest.mark.parametrize(
    ("given", "age"),
    [
        ({"PatientAge": "061Y"}, "061Y"),
        ({"PatientAge": "089Y"}, "089Y"),
        ({"PatientAge": "090Y"}, "090Y"),
        ({"PatientAge": "103Y"}, "090Y"),
        ({"PatientAge": "", "PatientBirthDate": "19500610", "StudyDate": "20140610"}, "064Y"),
        ({"PatientAge": "", "PatientBirthDate": "19500611", "StudyDate": "20140610"}, "063Y"),
        ({"PatientBirthDate": "19110101", "StudyDate": "20140610"}, "090Y"),
        ({"PatientBirthDate": "", "StudyDate": "20140610"}, None),
        ({"PatientBirthDate": "20200101", "StudyDate": "20140610"}, None),
    ],
)
def test_age(known_mammogram, given, age):
    dataset = known_mammogram(**given)
    deidentify_header(dataset, KEY)
    assert dataset.get("PatientAge") == age


def test_days_between_are_true_and_the_days_are_not(known_mammogram):
    found = {}
    for date in ("20140101", "20140610", "20160229"):
        dataset = known_mammogram(StudyDate=date, AcquisitionDate=date)
        deidentify_header(dataset, KEY)
        assert dataset.StudyDate == dataset.AcquisitionDate != date
        found[date] = dataset.StudyDate
    for earlier, later in (("20140101", "20140610"), ("20140610", "20160229")):
        days = np.datetime64(_iso(later)) - np.datetime64(_iso(earlier))
        assert np.datetime64(_iso(found[later])) - np.datetime64(_iso(found[earlier])) == days


def _iso(date):
    return f"{date[:4]}-{date[4:6]}-{date[6:]}"


def test_times_keep_their_order_and_other_dates_go(known_mammogram):
    times = []
    for time in ("101612", "101630.5", "112000"):
        dataset = known_mammogram(
            AcquisitionTime=time, InstanceCreationDate="20140610", DateOfLastCalibration="20140101"
        )
        deidentify_header(dataset, KEY)
        assert "InstanceCreationDate" not in dataset and "DateOfLastCalibration" not in dataset
        times.append(dataset.AcquisitionTime)
    assert times == sorted(times) and times[0] != "101612" and len(set(times)) == 3


@pytest.mark.parametrize("wrong", ["20141350", "yesterday", "2014061", ""])
def test_what_is_no_date_is_emptied(known_mammogram, wrong):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = known_mammogram(StudyDate=wrong)
        deidentify_header(dataset, KEY)
    assert dataset.StudyDate == ""


def test_exams_and_patients_stay_together(known_mammogram):
    one, other = (
        known_mammogram(SOPInstanceUID="1.2.3.4"),
        known_mammogram(SOPInstanceUID="1.2.3.5"),
    )
    for dataset in (one, other):
        deidentify_header(dataset, KEY)
    for keyword in ("PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID"):
        assert one[keyword].value == other[keyword].value
    assert one.SOPInstanceUID != other.SOPInstanceUID
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID


def test_synthetic_two_d_is_still_known(tmp_path, known_mammogram):
    dataset = known_mammogram(SeriesDescription="L_CC_C-View of Okonkwo")
    deidentify_header(dataset, KEY)
    assert dataset.SeriesDescription == "SYNTHETIC 2D"
    pydicom.dcmwrite(tmp_path / "one.dcm", dataset, enforce_file_format=True)
    assert open_source(tmp_path / "one.dcm", {}, SourceRules()).kind == "synthetic 2-D"


def test_a_file_without_a_patient_is_refused(known_mammogram):
    with pytest.raises(Rejected, match="missing id: PatientID"):
        deidentify_header(known_mammogram(PatientID=""), KEY)


def test_every_name_on_the_list_is_an_attribute():
    named = [keyword for held in rules.KEPT.values() for keyword in held]
    assert len(rules.KEPT_TAGS) == len(named) and None not in rules.KEPT_TAGS


def test_annex_e_names_what_we_move_or_replace():
    """The library's table is the one that our options are written for."""
    actions = rules.annex_e()
    assert len(actions) > 600
    for keyword in (*rules.SHIFTED, *rules.PSEUDONYMS, *rules.KEPT_UIDS, rules.AGE):
        assert rules.is_named(pydicom.datadict.tag_for_keyword(keyword), actions), keyword
    # What Annex E names is treated as it says, unless an option of ours is about it.
    kept_and_named = {tag for tag in rules.KEPT_TAGS if rules.is_named(tag, actions)}
    assert kept_and_named == set()


def test_real_headers_are_read_as_before(shared_data):
    for path in sorted((shared_data / "dicom_mg").glob("*.dcm")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset, again = pydicom.dcmread(path), pydicom.dcmread(path)
            deidentify_header(dataset, KEY)
            written = io.BytesIO()
            pydicom.dcmwrite(written, dataset, enforce_file_format=True)
        assert dataset.PixelData == again.PixelData
        assert dataset.get("ViewPosition") == again.get("ViewPosition")
        assert str(again.SOPInstanceUID).encode() not in written.getvalue()
