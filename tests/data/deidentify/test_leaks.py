"""What counts as a hit and what is chance, on literal cases; where identifiers are found."""

import pytest
from pydicom.dataset import Dataset

from mammolab.data.deidentify.identifiers import date_spellings, identifiers_of, name_spellings
from mammolab.data.deidentify.leaks import Needles

NEEDLES = Needles(
    {
        "PatientID": ["471122", "mrn90"],
        "PatientName": ["lee", "martin", "müller".encode().decode("latin-1")],
        "UID": ["1.2.276.0.99.1234"],
        "birth date": ["19480312"],
    }
)


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        (b"id 471122;", {"PatientID"}),
        (b"x471122y", {"PatientID"}),  # letters end a number
        (b"000471122", {"PatientID"}),  # so do zeros in front
        (b"14711223", set()),  # part of a longer number
        (b"0.4711229", set()),
        (b"MARTIN^ANNA", {"PatientName"}),
        (b"martinez", set()),  # another name
        ("bei Müller,".encode(), {"PatientName"}),
        (b"\x00\x011.2.276.0.99.1234\x00", {"UID"}),
        (b"1.2.276.0.99.12345", {"UID"}),  # long ones anywhere: a suffix may have been added
        (b"19480312", {"birth date"}),
        (b"119480312", set()),
        (b"Lee MRN90", set()),  # too short to be searched in all bytes
        (b"", set()),
    ],
)
def test_in_bytes(content, kinds):
    assert set(NEEDLES.in_bytes(content)) == kinds


@pytest.mark.parametrize(
    ("value", "numeric", "kinds"),
    [
        ("Lee", False, {"PatientName"}),
        ("LEE^ANNA", False, {"PatientName"}),
        ("Leeds", False, set()),
        ("seen MRN90.", False, {"PatientID"}),
        ("mrn90", True, set()),
        ("471122", True, {"PatientID"}),
    ],
)
def test_in_text_short_identifiers_are_words(value, numeric, kinds):
    assert set(NEEDLES.in_text(value, numeric)) == kinds


def test_in_pixels_only_long_ones():
    assert set(NEEDLES.in_pixels(b"\0\1MARTIN\2lee")) == {"PatientName"}


def test_names_in_parts_and_as_written():
    found = name_spellings("Okonkwo-Lindqvist^Mathilda Rosa^^Dr.")
    for part in (
        b"okonkwo",
        b"lindqvist",
        b"mathilda",
        b"rosa",
        b"okonkwo-lindqvist mathilda rosa",
    ):
        assert any(part == one or one.startswith(part) for one in found), part
    assert b"dr" not in found  # too short


def test_spellings_of_a_date():
    assert {b"19480312", b"1948-03-12", b"12.03.1948", b"03/12/1948"} <= date_spellings(
        "1948.03.12"
    )
    assert date_spellings("1948") == set()


def test_identifiers_at_any_depth_but_no_classes_and_no_nonsense():
    dataset, item = Dataset(), Dataset()
    item.OperatorsName, item.StationName = "Grunwald^Otto", "ROOM-12"
    dataset.RequestAttributesSequence = [item]
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    dataset.ReferencedSOPClassUID = "1.3.12.2.1107.5.9.1"  # a maker's private class
    dataset.StudyInstanceUID = "1.2.276.0.99.1234"
    dataset.PatientID = "broken\x00\x08neighbour"
    found = identifiers_of(dataset)
    assert "grunwald" in found["a person's name"] and found["StationName"] == ["room-12"]
    assert found["UID"] == ["1.2.276.0.99.1234"] and "PatientID" not in found
