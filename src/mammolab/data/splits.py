"""Train, dev and test by a hash of the patient, and the check that no patient is in two."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from zlib import crc32

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.schemas import IDS_SHOWN, SPLITS


def assign_split(
    patient_ids: Iterable[str], fractions: Mapping[str, float], salt: str
) -> np.ndarray:
    """Assign each patient to a split by the SHA-256 of the salt and the id.

    The split of a patient depends on nothing but her id: adding, dropping or reordering others
    changes nothing, and all her exams fall together.

    Parameters
    ----------
    patient_ids : ids, length n; repeats allowed.
    fractions : share of patients per split; keys train, dev, test in any order, summing to 1.
    salt : text that makes one study's split independent of another's.

    Returns
    -------
    Object array of str, shape (n,).

    Raises
    ------
    InputError : unknown or missing split names, negative shares, or shares that do not sum to 1.

    Examples
    --------
    >>> assign_split(["P1", "P2", "P1"], {"train": 0.6, "dev": 0.2, "test": 0.2}, "x").tolist()
    ['dev', 'test', 'dev']
    """
    if set(fractions) != set(SPLITS):
        raise InputError(
            f"split fractions name {', '.join(map(str, fractions))}; valid: {', '.join(SPLITS)}."
        )
    shares = np.array([fractions[split] for split in SPLITS], dtype=float)
    if not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise InputError(f"split fractions must be >= 0 and sum to 1; they are {shares.tolist()}.")
    ids = pd.Series(list(patient_ids), dtype=object)
    codes, unique_ids = pd.factorize(ids)
    # 53 bits of the digest: the most a float64 in [0, 1) holds exactly.
    position = (
        np.array(
            [
                int.from_bytes(sha256(f"{salt}|{one}".encode()).digest()[:8]) >> 11
                for one in unique_ids
            ],
            dtype=float,
        )
        / 2**53
    )
    chosen = np.searchsorted(np.cumsum(shares)[:-1], position, side="right")
    return np.array(SPLITS, dtype=object)[chosen][codes]


def check_split(frame: pd.DataFrame) -> None:
    """Raise where a patient is in more than one split.

    Parameters
    ----------
    frame : columns patient_id and split.

    Raises
    ------
    InputError : a patient is in two splits; the message names the first ones.
    """
    n_splits = frame.groupby("patient_id")["split"].nunique()
    leaking = n_splits.index[n_splits > 1]
    if len(leaking):
        shown = ", ".join(map(str, leaking[:IDS_SHOWN]))
        raise InputError(
            f"patient_id {shown} ({len(leaking)} in all) is in more than one split; "
            f"split by patient, as `assign_split` does."
        )


def split_bootstrap(
    cohort: pd.DataFrame, split: str, n_replicates: int, seed: int
) -> PatientBootstrap:
    """The one bootstrap matrix of a run that every chapter uses for the patients of a split.

    It depends on the split's patients and the run's seed alone, so that replicate k holds the same
    women in every chapter, however many replicates each takes, and differences between chapters'
    results stay paired.

    Parameters
    ----------
    cohort : columns patient_id and split; all the split's exams, with pixels or without.
    split : train, dev or test.
    n_replicates : number of replicates.
    seed : the run's seed.

    Raises
    ------
    InputError : no patient is in that split.
    """
    patients = cohort.loc[cohort["split"] == split, "patient_id"]
    if patients.empty:
        raise InputError(
            f"no patient is in the split '{split}'; the cohort has "
            f"{', '.join(sorted(cohort['split'].unique()))}."
        )
    # women of other splits are others: drawn from one seed, replicates of two splits would go together
    return PatientBootstrap.draw(patients, n_replicates, [seed, crc32(split.encode())])


def balance_table(cohort: pd.DataFrame) -> pd.DataFrame:
    """What each split holds, side by side, to see that the hash was fair.

    Parameters
    ----------
    cohort : the cohort table.

    Returns
    -------
    One row per split (index `split`): n_patients, n_exams, n_cancers, cancers_per_1000,
    mean_age_years, share_dense (densities c and d among known), n_with_pixels, and share_<race>.
    """
    grouped = cohort.assign(
        dense=cohort["density"].isin(["c", "d"]).where(cohort["density"].notna()).astype(float)
    ).groupby("split")
    table = grouped.agg(
        n_patients=("patient_id", "nunique"),
        n_exams=("exam_id", "size"),
        n_cancers=("cancer_within_1y", "sum"),
        cancers_per_1000=("cancer_within_1y", lambda values: 1000 * values.mean()),
        mean_age_years=("age_years", "mean"),
        share_dense=("dense", "mean"),
        n_with_pixels=("has_pixels", "sum"),
    )
    race = pd.crosstab(cohort["split"], cohort["race_ethnicity"], normalize="index")
    table = table.join(race.add_prefix("share_"))
    return table.reindex([split for split in SPLITS if split in table.index])
