"""What every adapter of a published data set makes, and the rules it is held to.

An adapter reads a data set as its owners publish it and gives a `Source`: the tables of a hospital
export, with labels and images beside them. Cells are text and "" is unknown, never zero and never
"no"; beside a mapped value stands the code it came from, in a column that ends in `_raw`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import yaml

from mammolab.data.lacks import LACKS, NEED_PREVALENCE
from mammolab.data.user_table import RawTable, read_table
from mammolab.errors import InputError
from mammolab.schemas import COLUMNS, KEYS, SPLITS, VIEWS, Column

KINDS = ("pathology", "registry", "surrogate_birads", "text_mined")  # of a label
PREVALENCES = ("natural", "enriched", "case-control")
ABSENT = "no such file in this copy"
_TEXT = Column("text", missing=True)
_YES_NO = Column("flag", missing=True)
TABLES: dict[str, dict[str, Column]] = {
    **{name: COLUMNS[name] for name in ("patients", "exams", "registry", "pathology")},
    "labels": {
        "exam_id": Column("text"),
        "laterality": Column("text", options=("L", "R")),
        "cancer": _YES_NO,
        "invasive": _YES_NO,
        "kind": Column("text", missing=True, options=KINDS),
        "split": Column("text", missing=True, options=SPLITS),
    },
    "images": {
        "image_id": Column("text"),
        "exam_id": _TEXT,
        "patient_id": _TEXT,
        "path": Column("text"),
        "laterality": Column("text", missing=True, options=("L", "R")),
        "view": Column("text", missing=True, options=VIEWS),
        "use": Column("flag"),
        "reason": _TEXT,
        "manufacturer": _TEXT,
        "model": _TEXT,
        "spacing_mm": Column("number", missing=True, low=0.005, high=10),
        "intent": _TEXT,
    },
}
UNIQUE = {
    **{name: KEYS[name] for name in ("patients", "exams", "registry", "pathology")},
    "labels": ("exam_id", "laterality"),
    "images": ("image_id",),
}
# Cells that are never blank, whatever a data set lacks.
NEEDED = {
    "exams": ("patient_id",),
    "pathology": ("patient_id", "laterality"),
    "registry": ("patient_id", "laterality"),
    "images": ("path", "use"),
}


@dataclass(frozen=True)
class Card:
    """What is true of every copy of a data set.

    name, title : short and full.
    label : what a positive label means, in whole sentences.
    labels : "given" with the data set, or "registry" where they follow from dated diagnoses.
    prevalence : one of `PREVALENCES`; whose share of cancers it is.
    lacks : keys of `LACKS`.
    cannot : what else cannot be estimated, a sentence each.
    mapped : pairs (ours, theirs).
    traps : what the tables are known for and what was done about it, a sentence each.
    licence, citation : as the owners state them.
    """

    name: str
    title: str
    label: str
    labels: str
    prevalence: str
    lacks: tuple[str, ...]
    cannot: tuple[str, ...]
    mapped: tuple[tuple[str, str], ...]
    traps: tuple[str, ...]
    licence: str
    citation: str

    def __post_init__(self):
        assert self.prevalence in PREVALENCES and self.labels in ("given", "registry")
        assert set(self.lacks) <= set(LACKS)

    @classmethod
    def read(cls, name: str) -> Card:
        """The card of a data set, as cards/<name>.yaml tells it."""
        path = Path(__file__).parent / "cards" / f"{name}.yaml"
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        lists = {key: tuple(told[key]) for key in ("lacks", "cannot", "traps")}
        return cls(**told | lists | {"mapped": tuple(told["mapped"].items())})


@dataclass(frozen=True, eq=False)
class Source:
    """A data set in our tables.

    card : what is true of every copy.
    images_root : folder that the paths of `images` are relative to.
    patients, exams, registry, pathology, labels, images : DataFrames of str with the columns of
        `TABLES`, made by `table`; "" is unknown.
    extract_date, registry_complete_through : YYYY-MM-DD, or "" where the data set has no dates.
    notes : what was met in this very copy, a sentence each.
    more : further tables by name, such as boxes around findings, written as they are.
    """

    card: Card
    images_root: Path
    patients: pd.DataFrame
    exams: pd.DataFrame
    labels: pd.DataFrame
    images: pd.DataFrame
    registry: pd.DataFrame = field(default_factory=lambda: table("registry", {}))
    pathology: pd.DataFrame = field(default_factory=lambda: table("pathology", {}))
    extract_date: str = ""
    registry_complete_through: str = ""
    notes: tuple[str, ...] = ()
    more: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def weighted(self) -> bool:
        """Whether every exam has a sampling weight."""
        weights = self.exams["sampling_weight"]
        return bool(len(weights) and (weights != "").all())

    @property
    def refused(self) -> tuple[str, ...]:
        """Those of `NEED_PREVALENCE` that must not be estimated from this source."""
        share_is_known = self.card.prevalence == "natural" or self.weighted
        return () if share_is_known else tuple(NEED_PREVALENCE)


@dataclass(frozen=True)
class Adapter:
    """How a data set is told from others, and read.

    card : what is true of every copy.
    files : what must lie in the root, in words.
    detect : root -> whether it holds this data set, by files and columns; InputError where a table
        of that name cannot be read.
    adapt : (root, **options) -> Source, unchecked; an option is text, its name a key of `options`.
    options : what `adapt` takes besides, each with a line of help.
    """

    card: Card
    files: str
    detect: Callable[[Path], bool]
    adapt: Callable[..., Source]
    options: Mapping[str, str] = field(default_factory=dict)


def table(name: str, columns: Mapping[str, object]) -> pd.DataFrame:
    """A table of text with all columns of `TABLES[name]`, blank where not given, others behind.

    Parameters
    ----------
    columns : name -> sequence of str, or one str for all rows; None and NaN become "".

    Examples
    --------
    >>> table("labels", {"exam_id": ["E1"], "laterality": "L", "side_raw": "Left"}).iloc[0].tolist()
    ['E1', 'L', '', '', '', '', 'Left']
    """
    lengths = [len(one) for one in columns.values() if not isinstance(one, str)]
    order = [*TABLES[name], *(column for column in columns if column not in TABLES[name])]
    cells = {column: columns.get(column, "") for column in order}
    plain = {
        column: one if isinstance(one, str) else pd.Series(one, dtype=object).to_numpy()
        for column, one in cells.items()
    }
    frame = pd.DataFrame(plain, index=range(lengths[0] if lengths else 0), columns=order)
    frame = frame.astype(object)
    return frame.where(frame.notna(), "")


def distinct(values: pd.Series) -> str:
    """The raw codes of a group, each once, parted by bars: what no single value stands for.

    Examples
    --------
    >>> distinct(pd.Series(["B", "", "B", "C"]))
    'B|C'
    """
    return "|".join(sorted(set(values) - {""}))


def files_below(root: Path, folder: str, *suffixes: str) -> set[str]:
    """Paths of files, relative to `root`, anywhere below one of its folders.

    Raises
    ------
    InputError : that folder, or one directly in it, is a link: `mammolab ingest` follows none, and
        would find no image where the table lists some.
    """
    start = root / folder
    for path in sorted(start.iterdir()) if start.is_dir() else ():
        _refuse_link(path)
    if folder:
        _refuse_link(start)
    found = start.rglob("*")
    return {path.relative_to(root).as_posix() for path in found if path.suffix.lower() in suffixes}


def _refuse_link(path: Path) -> None:
    if path.is_symlink() and path.is_dir():
        raise InputError(
            f"{path} is a link to another folder, which mammolab ingest does not follow; put the "
            "folder itself there, or unpack the tables beside it."
        )


def table_with(root: Path, signature: Collection[str]) -> RawTable | None:
    """The first CSV table directly in a folder that has these columns, whatever its name."""
    for path in sorted(root.glob("*.csv")):
        try:
            raw = read_table(path)
        except InputError:
            continue
        if set(raw.cells) >= set(signature):
            return raw
    return None


def mark_absent(images: pd.DataFrame, present: set[str]) -> tuple[pd.DataFrame, list[str]]:
    """The table `images` with what is not there left out, and notes on both kinds of surplus.

    Parameters
    ----------
    present : paths as in `images`, such as `files_below` gives.
    """
    absent = ~images["path"].isin(present)
    images = images.assign(
        use=images["use"].where(~absent, "0"), reason=images["reason"].where(~absent, ABSENT)
    )
    notes = []
    if absent.any():
        notes.append(f"{int(absent.sum()):,} of {len(images):,} listed images are not there.")
    unlisted = len(present - set(images["path"]))
    if unlisted:
        notes.append(f"{unlisted:,} image files are in no table and were left alone.")
    return images, notes
