"""The key file, and what is derived from it."""

import os
import re
import stat

import pytest

from mammolab.data.deidentify.pseudonyms import MAX_SHIFT_DAYS, Pseudonyms, read_key
from mammolab.errors import InputError

ONE, OTHER = Pseudonyms(b"one key"), Pseudonyms(b"other key")


def test_the_key_is_made_once_and_read_by_its_owner_alone(tmp_path):
    path = tmp_path / "secret" / "key"
    key = read_key(path)
    assert len(key) == 32 and read_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key(tmp_path / "another") != key


def test_keys_that_cannot_be_used(tmp_path):
    path = tmp_path / "key"
    read_key(path)
    path.chmod(0o640)
    with pytest.raises(InputError, match="others may read the key"):
        read_key(path)
    path.chmod(0o600)
    path.write_text("my key\nabc\n")
    with pytest.raises(InputError, match="no key of mammolab deidentify"):
        read_key(path)
    with pytest.raises(InputError, match="cannot be used"):
        read_key(tmp_path)
    path.write_bytes(os.urandom(64))
    with pytest.raises(InputError):
        read_key(path)


def test_pseudonyms_are_those_of_the_key():
    """Frozen: a change here breaks the link to every delivery made before."""
    assert ONE.of("patient", "MRN1") == "PFBF0C5168430B95"
    assert ONE.uid("1.2.3") == "2.25.153805753795682097387849447802417091108"
    assert ONE.shift_days("MRN1") == 232


def test_same_key_same_pseudonyms_other_key_others():
    assert ONE.of("patient", "MRN1") == Pseudonyms(b"one key").of("patient", " MRN1 ")
    made = {
        one.of(kind, value)
        for one in (ONE, OTHER)
        for kind in ("patient", "exam")
        for value in ("MRN1", "MRN2", "mrn1")
    }
    assert len(made) == 12 and not any("MRN" in value.upper() for value in made)
    assert ONE.of("patient", "  ") == "" and ONE.uid("") == ""


def test_uids_are_valid_and_an_exam_with_one_gets_one():
    made = {ONE.uid(f"1.2.{number}") for number in range(500)}
    assert len(made) == 500
    assert all(re.fullmatch(r"2\.25\.(0|[1-9][0-9]{0,38})", uid) for uid in made)
    assert ONE.of("exam", "1.2.276.0.9") == ONE.uid("1.2.276.0.9") == ONE.uid("1.2.276.0.9\0")


def test_shifts_differ_by_patient_and_lead_to_the_past():
    days = [ONE.shift_days(f"P{number}") for number in range(2000)]
    assert min(days) >= 1 and max(days) <= MAX_SHIFT_DAYS
    assert len(set(days)) > 350  # of 364 values, 2,000 draws miss 1.5 on average
    assert ONE.shift_date("20140301", "P1") < "20140301"
    assert ONE.shift_date("2014.03.01", "P1") == ONE.shift_date("20140301", "P1")


@pytest.mark.parametrize(
    ("given", "valid"),
    [("101500", True), ("10:15:00", True), ("235959.5", True), ("1015", False), ("tea", False)],
)
def test_times(given, valid):
    moved = ONE.shift_time(given, "P1")
    assert bool(moved) == valid and moved != given
