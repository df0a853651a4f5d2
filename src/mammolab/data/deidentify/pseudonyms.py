"""Pseudonyms and date shifts derived from a secret key: the same key gives the same ones."""

import hmac
import os
import re
import secrets
import stat
from datetime import date, datetime, timedelta
from pathlib import Path

from mammolab.errors import InputError

KEY_BYTES = 32
HEADING = "mammolab de-identification key, version 1; who has it can link pseudonyms to patients"
MAX_SHIFT_DAYS = 364
MAX_SHIFT_SECONDS = 6 * 3600
PREFIXES = {  # of the pseudonym of each kind of id; 60 bits follow
    "patient": "P",
    "exam": "A",
    "registry": "C",
    "report": "S",
    "site": "site-",
    "reader": "R",
    "device": "D",
}
UID = re.compile(r"[0-9]+(\.[0-9]+){3,}")


def read_key(path: Path) -> bytes:
    """Read a key file, or make it on first use, readable by its owner alone.

    Raises
    ------
    InputError : it cannot be made or read, others may read it, or it is no key file.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{HEADING}\n{secrets.token_hex(KEY_BYTES)}\n")
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise InputError(f"the key {path} cannot be used: {error.strerror}") from None
    if mode & 0o077:
        raise InputError(f"others may read the key {path}; first: chmod 600 {path}")
    if len(lines) != 2 or lines[0] != HEADING or not re.fullmatch(r"[0-9a-f]{64}", lines[1]):
        raise InputError(f"{path} is no key of mammolab deidentify; give the path of a new file.")
    return bytes.fromhex(lines[1])


class Pseudonyms:
    """What replaces ids, dates and times; a function of the key and of the value alone.

    Parameters
    ----------
    key : secret bytes. HMAC-SHA256 (RFC 2104) of a value under it is what pseudonyms and shifts
        are made of, so without the key none can be found from an id, nor tried out.
    """

    def __init__(self, key: bytes):
        self._key = key

    def digest(self, kind: str, value: str) -> bytes:
        """32 bytes for a value of a kind."""
        text = f"{kind}\0{value.strip()}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, text, "sha256").digest()

    def of(self, kind: str, value: str) -> str:
        """The pseudonym of an id (kinds: `PREFIXES`); empty for a blank one.

        An exam's id that is a UID, as where AccessionNumber is blank, becomes a UID.
        """
        if not value.strip():
            return ""
        if kind == "exam" and UID.fullmatch(value.strip()):
            return self.uid(value)
        return PREFIXES[kind] + self.digest(kind, value).hex()[:15].upper()

    def uid(self, value: str) -> str:
        """A new UID under 2.25 (DICOM PS3.5 B.2); empty for a blank one."""
        if not value.strip("\0 "):
            return ""
        return f"2.25.{int.from_bytes(self.digest('uid', value.strip(chr(0)))[:16], 'big')}"

    def shift_days(self, patient_id: str) -> int:
        """Days by which all of a patient's dates move back, 1 to `MAX_SHIFT_DAYS`."""
        return 1 + int.from_bytes(self.digest("days", patient_id)[:8], "big") % MAX_SHIFT_DAYS

    def shift_date(self, text: str, patient_id: str) -> str:
        """Move a DICOM date (YYYYMMDD); empty where it is none."""
        given = re.fullmatch(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})", text.strip("\0 "))
        try:
            day = date(*map(int, given.groups()))
            return f"{day - timedelta(days=self.shift_days(patient_id)):%Y%m%d}".rjust(8, "0")
        except (AttributeError, ValueError, OverflowError):
            return ""

    def shift_time(self, text: str, patient_id: str) -> str:
        """Move a DICOM time (HHMMSS) by up to six hours, the patient's own; without fractions."""
        given = re.fullmatch(r"([0-9]{2}):?([0-9]{2}):?([0-9]{2})(\.[0-9]*)?", text.strip("\0 "))
        try:
            hour, minute, second = map(int, given.groups()[:3])
            moment = datetime(2000, 1, 1, hour, minute, min(second, 59))
        except (AttributeError, ValueError):
            return ""
        number = int.from_bytes(self.digest("seconds", patient_id)[:8], "big")
        return f"{moment - timedelta(seconds=number % MAX_SHIFT_SECONDS):%H%M%S}"
