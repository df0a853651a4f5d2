"""A mammogram full of identifiers, and a run of `mammolab deidentify` on a folder."""

from pathlib import Path

import pytest

from mammolab.data.deidentify.command import DeidentifyRequest, deidentify

WHO = {
    "PatientName": "Okonkwo-Lindqvist^Mathilda^Rosa",
    "PatientID": "MRN4711223",
    "PatientBirthDate": "19480312",
    "AccessionNumber": "ACC880912",
    "InstitutionName": "Hildegardstift Obernau",
    "ReferringPhysicianName": "Grunwald^Otto",
    "DeviceSerialNumber": "SN-7731-KX",
    "StationName": "MAMMOROOM2",
}


@pytest.fixture
def known_mammogram(mammogram):
    """A function (**changes): a mammogram whose patient and place are `WHO`."""

    def make(pixels=None, **changes):
        known = {
            "StudyInstanceUID": "1.2.276.0.4711223.1",
            "SeriesInstanceUID": "1.2.276.0.4711223.1.1",
            "SOPInstanceUID": "1.2.276.0.4711223.1.1.1",
            "StudyDate": "20140610",
            "StudyTime": "101500",
            "AcquisitionDate": "20140610",
            "AcquisitionTime": "101612.25",
        }
        return mammogram(pixels, **(WHO | known | changes))

    return make


@pytest.fixture
def run(tmp_path):
    """A function (folder, **changes of the request): the outcome, in tmp_path/out."""

    def go(folder: Path, **changes):
        usual = {"out": tmp_path / "out", "key": tmp_path / "secret" / "key"}
        return deidentify(DeidentifyRequest(folder=folder, **(usual | changes)), lambda line: None)

    return go
