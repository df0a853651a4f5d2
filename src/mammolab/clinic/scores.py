"""A hospital's scores, read, checked and split: what the analysis starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from mammolab.clinic import columns
from mammolab.data import user_columns
from mammolab.data.splits import assign_split
from mammolab.data.user_table import RawTable, read_table
from mammolab.errors import InputError
from mammolab.evaluate.delong import auc_estimate

SPLIT_SHARES = {"train": 0.0, "dev": 0.5, "test": 0.5}
SPLIT_SALT = "mammolab triage"  # makes this split independent of any other by the same ids
FEWEST_PATIENTS = 20  # in dev and in test; fewer say nothing (assumption)

Number = TypeVar("Number", float, pd.Series)


@dataclass(frozen=True, eq=False)
class Scores:
    """The exams of a hospital, ready to analyse, and what was decided in reading them.

    exams : DataFrame sorted by patient and exam, index 0 up: patient_id, exam_id, score (as in the
        file), suspicion (higher is more suspicious: the score, or minus it), cancer, recall (bool;
        absent where the file knows no readers), weight, split (dev, test), and one column a
        subgroup, text, "unknown" where blank.
    scale : "probability" where every score lies in [0, 1], else "logit".
    recall_from : "recall", "birads", or "" where the file knows no readers.
    n_conflicts : exams whose BI-RADS category says otherwise than `recall`, which wins.
    n_from_birads : exams whose blank recall was filled from BI-RADS.
    n_weightless : exams of weight 0, left out.
    split_from : "column" or "hash".
    unused : columns of the file that mean nothing here.
    synthetic : whether the file says so of itself, in a column `synthetic`.
    """

    file: str
    sha256: str
    exams: pd.DataFrame
    scale: str
    lower_is_suspicious: bool
    recall_from: str
    n_conflicts: int
    n_from_birads: int
    n_weightless: int
    weighted: bool
    split_from: str
    subgroups: tuple[str, ...]
    unused: tuple[str, ...]
    synthetic: bool

    @property
    def has_recall(self) -> bool:
        """Whether the file knows what readers decided."""
        return self.recall_from != ""

    def of_split(self, name: str) -> pd.DataFrame:
        """The exams of dev or of test."""
        return self.exams[self.exams["split"] == name]

    def calibrator_input(self, suspicion: Number) -> Number:
        """What a calibrator takes: the suspicion, moved back into [0, 1] where the scores are."""
        return suspicion + 1 if self.input_in_words == "1 - score" else suspicion

    def in_file_units(self, suspicion: Number) -> Number:
        """The score of the file that has this suspicion."""
        return -suspicion if self.lower_is_suspicious else suspicion

    @property
    def input_in_words(self) -> str:
        """`calibrator_input` as a formula of the file's score."""
        if not self.lower_is_suspicious:
            return "score"
        return "1 - score" if self.scale == "probability" else "-score"


def read_scores(
    path: Path, subgroups: str | None = None, lower_is_suspicious: bool = False
) -> Scores:
    """Read and check a table of scores.

    Parameters
    ----------
    path : Path
        CSV, or Parquet by its suffix (`data.user_table.read_table`).
    subgroups : str, optional
        Columns with commas between, or "none". When not given: those of
        `columns.KNOWN_SUBGROUPS` that the file has; no other column is used.
    lower_is_suspicious : bool
        A low score means cancer.

    Returns
    -------
    Scores
        Without a column `split`, patients fall into dev and test by a hash of their id, half and
        half, the same on every machine.

    Raises
    ------
    InputError
        One sentence with the file, the column, how many rows, the first exams and what is valid.
    """
    table = read_table(path)
    user_columns.check_columns(table, columns.REQUIRED)
    names = columns.subgroup_names(table, subgroups)
    used = {*columns.REQUIRED, *columns.OPTIONAL, *names}
    known = (*columns.OPTIONAL, *(columns.KNOWN_SUBGROUPS if subgroups is None else ()))
    columns.check_spelling(table, known, used)
    recall, recall_from, n_conflicts, n_from_birads = columns.recall(table)
    read = {
        "patient_id": user_columns.ids(table, "patient_id"),
        "exam_id": user_columns.row_ids(table),
        "score": user_columns.numbers(table, "score", "leave out exams without one"),
        "cancer": user_columns.flags(table, "cancer", "leave out exams of unknown outcome"),
        "recall": recall,
        "weight": columns.weights(table),
        "split": columns.split(table),
        **{name: columns.levels(table, name) for name in names},
    }
    exams = pd.DataFrame({name: values for name, values in read.items() if values is not None})
    if "split" not in exams:
        exams["split"] = assign_split(exams["patient_id"], SPLIT_SHARES, SPLIT_SALT)
    sign = -1.0 if lower_is_suspicious else 1.0
    exams.insert(3, "suspicion", sign * exams["score"])
    weightless = exams["weight"] == 0
    exams = exams[~weightless].sort_values(["patient_id", "exam_id"]).reset_index(drop=True)
    _check_classes(table, exams)
    _check_direction(table, exams, lower_is_suspicious)
    return Scores(
        file=table.name,
        sha256=table.sha256,
        exams=exams,
        scale="probability" if exams["score"].between(0, 1).all() else "logit",
        lower_is_suspicious=lower_is_suspicious,
        recall_from=recall_from,
        n_conflicts=n_conflicts,
        n_from_birads=n_from_birads,
        n_weightless=int(weightless.sum()),
        weighted=bool(np.ptp(exams["weight"]) > 0),
        split_from="column" if "split" in table.cells else "hash",
        subgroups=names,
        unused=tuple(name for name in table.cells if name not in used),
        synthetic=user_columns.says_synthetic(table),
    )


def _check_classes(table: RawTable, exams: pd.DataFrame) -> None:
    """Enough women, cancers and healthy exams on both sides, and scores that differ."""
    for name in columns.SPLITS:
        side = exams[exams["split"] == name]
        by = "column split" if "split" in table.cells else "the split by a hash of patient_id"
        n_patients = side["patient_id"].nunique()
        if n_patients < FEWEST_PATIENTS:
            raise InputError(
                f"{table.name}: {by} gives {name} {n_patients} patients, and it takes at least "
                f"{FEWEST_PATIENTS} in dev and in test"
            )
        if not exams["cancer"].any():
            raise InputError(
                f"{table.name}: column cancer is 0 in all {len(exams):,} rows: without cancers there "
                "is nothing to keep"
            )
        for kind, there in (("cancer", side["cancer"]), ("exam without cancer", ~side["cancer"])):
            if not there.any():
                raise InputError(
                    f"{table.name}: {by} gives {name} {len(side):,} exams and no {kind} among "
                    "them (column cancer); both dev and test need some"
                )
        if side["score"].nunique() == 1:
            raise InputError(
                f"{table.name}: column score is {side['score'].iloc[0]:g} in all {len(side):,} "
                f"rows of {name}: it tells no exam from another"
            )


def _check_direction(table: RawTable, exams: pd.DataFrame, lower_is_suspicious: bool) -> None:
    """Stop when the scores of dev surely rank cancers below healthy exams: test is not looked at."""
    exams = exams[exams["split"] == "dev"]
    if (exams.groupby("cancer")["patient_id"].nunique() < 2).any():
        return  # one woman shows no direction
    auc = auc_estimate(exams["suspicion"], exams["cancer"], exams["weight"], exams["patient_id"])
    surely = auc.high < 0.5 or (np.isnan(auc.high) and auc.value < 0.5)
    if surely:
        if lower_is_suspicious:
            mend = "leave out --lower-is-suspicious"
        else:
            mend = "if a low score is the suspicious one, add --lower-is-suspicious"
        raise InputError(
            f"{table.name}: column score ranks cancers below exams without (AUC {auc.value:.2f} "
            f"over {len(exams):,} rows of dev): {mend}"
        )
