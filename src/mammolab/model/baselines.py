"""The floor of detection: what age, density and simple texture tell without a network.

Logistic models fitted on training exams. A network that does not stand well above them has learned
little that one could not have had for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_patient_ids, check_scores
from mammolab.model.texture import exam_texture
from mammolab.schemas import DENSITIES

# Inverse strength of the L2 penalty, on standardised columns; cross-validation chooses one.
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
N_FOLDS = 5
BASELINES = ("age", "density", "texture")


@dataclass(frozen=True, eq=False)
class LogisticBaseline:
    """A logistic model of standardised columns.

    Attributes
    ----------
    columns : tuple of str
    mean, scale : arrays of float, shape (n_columns,)
        Of the training exams, weighted.
    weights : array of float, shape (n_columns,)
        Log odds ratios per standard deviation.
    intercept : float
    inverse_penalty : float
        The one chosen of those given.
    """

    columns: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    intercept: float
    inverse_penalty: float

    @classmethod
    def fit(
        cls,
        design: pd.DataFrame,
        label: ArrayLike,
        patient_ids: ArrayLike,
        sample_weight: ArrayLike | None = None,
        penalties: Sequence[float] = PENALTIES,
    ) -> LogisticBaseline:
        """Fit to training exams; of several penalties cross-validation chooses.

        Parameters
        ----------
        design : DataFrame of finite floats, one row an exam
        label : array-like of bool, shape (n_exams,)
            Cancer within a year.
        patient_ids : array-like of str, shape (n_exams,)
            All exams of a patient fall into one fold.
        sample_weight : array-like of float, shape (n_exams,), optional
        penalties : sequence of float
            Inverse strengths; the one with the least weighted log loss on the folds left out is
            kept, the stronger of equals.

        Raises
        ------
        InputError
            If a class is empty, a value is missing, or there are several penalties and fewer than
            two patients of a class.
        """
        values = _matrix(design, tuple(design.columns))
        _, label, weight = check_scores(np.zeros(len(values)), label, sample_weight)
        patient_ids = check_patient_ids(patient_ids, len(values))
        if label.all() or not label.any():
            raise InputError(
                f"a baseline needs exams with and without cancer; of {len(label)} training exams "
                f"{label.sum()} have it."
            )
        mean = np.average(values, axis=0, weights=weight)
        scale = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weight))
        scale[scale < 1e-9] = 1.0  # a constant column says nothing
        standard = (values - mean) / scale
        ordered = sorted(penalties)
        chosen = ordered[0]
        if len(ordered) > 1:
            losses = _left_out_losses(standard, label, patient_ids, weight, ordered)
            chosen = ordered[int(np.argmin(losses))]
        model = _logistic(standard, label, weight, chosen)
        return cls(
            tuple(design.columns), mean, scale, model.coef_[0], float(model.intercept_[0]), chosen
        )

    def score(self, design: pd.DataFrame) -> NDArray[np.float64]:
        """Return the logit of each exam, shape (n_exams,); higher is worse.

        Raises
        ------
        InputError
            If a column of the fit is not there, or a value is missing.
        """
        standard = (_matrix(design, self.columns) - self.mean) / self.scale
        return standard @ self.weights + self.intercept


def baseline_designs(
    exams: pd.DataFrame, texture: pd.DataFrame, mean_age_years: float | None = None
) -> dict[str, pd.DataFrame]:
    """Return the columns of each of `BASELINES`, one row an exam.

    Parameters
    ----------
    exams : DataFrame
        With exam_id, age_years and density ("a" to "d", missing where unknown).
    texture : DataFrame
        As `texture.exam_texture` returns it, of these exams at least.
    mean_age_years : float, optional
        Stands in for an unknown age, beside a column that says so; None where all are known.

    Raises
    ------
    InputError
        If a column is not there, a density is none of the four, or an exam has no texture.
    """
    _require(exams, ("exam_id", "age_years", "density"), "the table of exams")
    known = exams["density"].notna()
    other = sorted(set(exams.loc[known, "density"]) - set(DENSITIES))
    if other:
        raise InputError(
            f"density {', '.join(map(str, other[:5]))} is none of {', '.join(DENSITIES)}."
        )
    without = exams.loc[~exams["exam_id"].isin(texture.index), "exam_id"]
    if len(without):
        raise InputError(
            f"{len(without)} of {len(exams)} exams have no texture, first: "
            f"{', '.join(without.head())}."
        )
    return {
        "age": _age_design(exams["age_years"].astype(float), mean_age_years),
        # a level each, unknown too: neither an order nor a stand-in is assumed
        "density": pd.DataFrame(
            {level: exams["density"] == level for level in DENSITIES} | {"unknown": ~known}
        ).astype(float),
        "texture": texture.loc[exams["exam_id"]],
    }


def _age_design(age_years: pd.Series, stand_in: float | None) -> pd.DataFrame:
    """Age, and where some are unknown a column that says so."""
    if stand_in is None:
        return age_years.to_frame()
    unknown = age_years.isna()
    return pd.DataFrame({"age_years": age_years.fillna(stand_in), "unknown": unknown.astype(float)})


def training_exams(
    cohort: pd.DataFrame, exam_ids: ArrayLike, n_negatives: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the training exams that baselines are fitted on: every cancer, some others.

    Parameters
    ----------
    cohort : DataFrame
        Table `cohort`.
    exam_ids : array-like of str
        Exams with usable images.
    n_negatives : int
        Exams without cancer, at most, drawn at random.
    rng : numpy Generator

    Returns
    -------
    DataFrame
        Rows of `cohort` in their order; sampling_weight of the exams without cancer is raised so
        that they stand for all of them.
    """
    train = cohort[(cohort["split"] == "train") & cohort["exam_id"].isin(exam_ids)]
    cancer = train["cancer_within_1y"].to_numpy(bool)
    negatives = np.flatnonzero(~cancer)
    drawn = rng.permutation(negatives)[:n_negatives]
    kept = np.sort(np.concatenate([np.flatnonzero(cancer), drawn]))
    factor = np.where(cancer, 1.0, len(negatives) / max(len(drawn), 1))
    return train.assign(sampling_weight=train["sampling_weight"] * factor).iloc[kept]


def baseline_scores(
    train: pd.DataFrame, test: pd.DataFrame, store: np.ndarray, images: pd.DataFrame
) -> dict[str, NDArray[np.float64]]:
    """Fit every baseline on training exams and score held-out ones.

    Parameters
    ----------
    train, test : DataFrame
        Exams with exam_id, age_years, density; train also with patient_id, cancer_within_1y and
        sampling_weight.
    store : uint8 array, shape (n_images, h, w)
    images : DataFrame
        Usable images: exam_id and row (the position in `store`); those of other exams are ignored.

    Returns
    -------
    dict of str to array of float, shape (len(test),)
        Logits, by the names of `BASELINES`; higher is worse. One whose column is told of no
        training exam is left out; of an exam of unknown age that is said, beside the mean.
    """
    _require(train, ("patient_id", "cancer_within_1y", "sampling_weight"), "the training exams")
    wanted = pd.concat([train["exam_id"], test["exam_id"]])
    texture = exam_texture(store, images[images["exam_id"].isin(wanted)])
    gaps = pd.concat([train["age_years"], test["age_years"]]).isna().any()
    stand_in = float(train["age_years"].mean()) if gaps else None
    of_train, of_test = (baseline_designs(exams, texture, stand_in) for exams in (train, test))
    column = {"age": "age_years", "density": "density"}
    told = [name for name in BASELINES if name not in column or train[column[name]].notna().any()]
    answer = (train["cancer_within_1y"], train["patient_id"], train["sampling_weight"])
    return {
        name: LogisticBaseline.fit(of_train[name], *answer).score(of_test[name]) for name in told
    }


def _left_out_losses(
    standard: NDArray[np.float64],
    label: NDArray[np.bool_],
    patient_ids: NDArray,
    weight: NDArray[np.float64],
    penalties: Sequence[float],
) -> list[float]:
    """Weighted log loss of each penalty over folds of patients, each fitted without."""
    fewest = min(len(set(patient_ids[label])), len(set(patient_ids[~label])))
    if fewest < 2:
        raise InputError(
            f"to choose a penalty takes two patients with cancer and two without; the training "
            f"exams hold {len(set(patient_ids[label]))} and {len(set(patient_ids[~label]))}."
        )
    folds = StratifiedGroupKFold(min(N_FOLDS, fewest))
    losses = np.zeros(len(penalties))
    for fitted, left_out in folds.split(standard, label, patient_ids):
        if len(set(label[fitted])) < 2:
            continue  # all cancers fell into the fold left out: nothing to fit
        for number, penalty in enumerate(penalties):
            model = _logistic(standard[fitted], label[fitted], weight[fitted], penalty)
            logit = model.decision_function(standard[left_out])
            loss = np.logaddexp(0, logit) - label[left_out] * logit
            losses[number] += weight[left_out] @ loss
    return losses.tolist()


def _logistic(
    standard: NDArray[np.float64],
    label: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inverse_penalty: float,
) -> LogisticRegression:
    model = LogisticRegression(C=inverse_penalty, max_iter=1000)
    return model.fit(standard, label, sample_weight=weight)


def _matrix(design: pd.DataFrame, columns: tuple[str, ...]) -> NDArray[np.float64]:
    _require(design, columns, "a baseline's exams")
    values = design[list(columns)].to_numpy(float)
    gaps = ~np.isfinite(values)
    if gaps.any():
        names = [columns[k] for k in np.flatnonzero(gaps.any(axis=0))[:5]]
        raise InputError(
            f"{int(gaps.any(axis=1).sum())} of {len(values)} exams lack a value of "
            f"{', '.join(names)}."
        )
    return values


def _require(frame: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    missing = [name for name in columns if name not in frame]
    if missing:
        raise InputError(
            f"{what} lack the column(s) {', '.join(missing)}; there are "
            f"{', '.join(map(str, frame.columns))}."
        )
