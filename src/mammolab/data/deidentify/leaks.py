"""The leak test: what was written is searched, as bytes, for every identifier of the sources."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

import pandas as pd
import pydicom

from mammolab.data.deidentify import rules
from mammolab.data.deidentify.attributes import texts

LONG = 6  # bytes from which an identifier is searched in all bytes; shorter ones in text values
BOUNDED = 12  # below, a hit within a longer number or word is none
NAMES = ("PatientName", "a person's name")
NUMERIC_VRS = ("DS", "IS", "DA", "TM", "DT", "AS")  # in which short identifiers occur by chance
WORD = re.compile(rb"[^0-9a-z\x80-\xff]+")


class Needles:
    """Identifiers to search for.

    Parameters
    ----------
    by_kind : kind of identifier to its spellings, as `identifiers.identifiers_of` gives them.
    """

    def __init__(self, by_kind: Mapping[str, Iterable[str]]):
        self.kinds: dict[bytes, str] = {}
        for kind, values in by_kind.items():
            for value in values:
                self.kinds.setdefault(value.encode("latin-1"), kind)
        self._lengths: dict[bytes, set[int]] = defaultdict(set)
        for needle in self.kinds:
            if len(needle) >= LONG:
                self._lengths[needle[:LONG]].add(len(needle))

    def in_bytes(self, haystack: bytes) -> dict[str, bytes]:
        """Kinds of long identifiers that occur in bytes, each with one that does."""
        text, found = haystack.lower(), {}
        for at in range(len(text) - LONG + 1):
            lengths = self._lengths.get(text[at : at + LONG])
            for length in lengths or ():
                needle = text[at : at + length]
                kind = self.kinds.get(needle)
                if kind and (length >= BOUNDED or _stands_alone(text, at, at + length)):
                    found[kind] = needle
        return found

    def in_text(self, value: str, numeric: bool = False) -> dict[str, bytes]:
        """Kinds of identifiers that occur in a value, short ones as a word of it."""
        text = value.encode("utf-8", "replace").lower()
        found = self.in_bytes(text)
        if not numeric:
            for word in {text.strip(), *WORD.split(text)}:
                if len(word) < LONG and word in self.kinds:
                    found[self.kinds[word]] = word
        return found

    def in_pixels(self, pixels: bytes) -> dict[str, bytes]:
        """As `in_bytes`, for megabytes and few identifiers."""
        text = pixels.lower()
        return {
            kind: needle
            for needle, kind in self.kinds.items()
            if len(needle) >= LONG and needle in text
        }


def _stands_alone(text: bytes, start: int, end: int) -> bool:
    """Whether a hit is no part of a longer number (zeros in front apart) or word."""

    def same(inner: bytes, outer: bytes) -> bool:
        return (inner.isdigit() and outer.isdigit()) or (inner.isalpha() and outer.isalpha())

    before, after = text[max(start - 1, 0) : start], text[end : end + 1]
    joined_before = before != b"0" and same(text[start : start + 1], before)
    return not joined_before and not same(text[end - 1 : end], after)


def leaks_in_image(
    path: Path,
    relative: str,
    everyone: Needles,
    own: Needles,
    written: set[str],
    shared: set[str],
) -> list[str]:
    """Search one DICOM file, all of its bytes and its name.

    Parameters
    ----------
    path : of the file.
    relative : its path in the output, part of what is searched.
    everyone : identifiers of all sources, searched in all but the pixels.
    own : those of this file's source, searched in the pixels too.
    written : values that de-identification made itself; hits within them are chance.
    shared : device texts and terms of several patients; a name in them is no one's.

    Returns
    -------
    What was found, "kind in place", without the identifier itself; empty where nothing was.
    """
    content = path.read_bytes()
    dataset = pydicom.dcmread(BytesIO(content))
    pixels = bytes(dataset.get("PixelData") or b"")
    written = {value for value in written if _is_ours(value, everyone, own)} | rules.TERMS
    at = content.rfind(pixels) if pixels else len(content)
    rest = content[:at] + content[at + len(pixels) :]
    hits = _unmasked(everyone, rest, written, shared)
    hits |= {f"{kind} in the pixel data" for kind in own.in_pixels(pixels)}
    hits |= {f"{kind} in the file name" for kind in _bare(everyone, relative, written)}
    for held, tag, value in texts(dataset):
        if value in written:
            continue
        for kind in everyone.in_text(value, held[tag].VR in NUMERIC_VRS):
            if not (kind in NAMES and value in shared):
                hits.add(f"{kind} in {held[tag].keyword or 'a private or unknown attribute'}")
    return sorted(hits)


def _is_ours(value: str, everyone: Needles, own: Needles) -> bool:
    """Whether a value that we wrote is new; a moved date may be another woman's date of birth."""
    spelled = value.lower().encode("utf-8", "replace")
    if everyone.kinds.get(spelled) == "birth date":
        return spelled not in own.kinds
    return spelled not in everyone.kinds


def _unmasked(needles: Needles, content: bytes, written: set[str], shared: set[str]) -> set[str]:
    """Long identifiers in bytes, but for the values that are none by construction."""
    content = _masked(content.lower(), written)
    found = needles.in_bytes(content)
    if set(found) & set(NAMES):
        rest = needles.in_bytes(_masked(content, shared))
        found = {kind: found[kind] for kind in found if kind not in NAMES or kind in rest}
    return {f"{kind} in the bytes of the file" for kind in found}


def _masked(content: bytes, values: set[str]) -> bytes:
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= 4:
            content = content.replace(value.lower().encode("utf-8", "replace"), b"\0")
    return content


def _bare(needles: Needles, relative: str, written: set[str]) -> dict[str, bytes]:
    return needles.in_text(_masked(relative.lower().encode(), written).decode("utf-8", "replace"))


def leaks_in_bytes(path: Path, relative: str, everyone: Needles, written: set[str]) -> list[str]:
    """Search a file of any other kind, and its name.

    Parameters and returns as in `leaks_in_image`.
    """
    hits = _unmasked(everyone, path.read_bytes(), written, set())
    return sorted(
        hits | {f"{kind} in the file name" for kind in _bare(everyone, relative, written)}
    )


def leaks_in_table(path: Path, everyone: Needles, written: set[str]) -> list[str]:
    """Search a CSV table, cell by cell, and its bytes for what stands outside of cells.

    Parameters and returns as in `leaks_in_image`.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False, header=None)
    hits, nobody = set(), Needles({})
    written = {value for value in written if _is_ours(value, everyone, nobody)}
    for number in table:
        for value in set(table[number]) - written:
            numeric = re.fullmatch(r"[-+0-9.]{1,5}", value) is not None
            for kind in everyone.in_text(value, numeric):
                hits.add(f"{kind} in column {table[number].iloc[0]}")
    return sorted(hits)
