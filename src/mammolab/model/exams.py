"""Between exams and images: what is positive, which rows make an input, how dev selects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.evaluate.curves import ruled_out_at_sensitivity
from mammolab.evaluate.roc import auc
from mammolab.model.network import ResNet18
from mammolab.model.score import exam_scores, score_images

IMAGE_COLUMNS = ["image_id", "exam_id", "patient_id", "laterality", "view", "row"]
# The views of a screening exam, in the order that a four-view network takes them; each with those
# that stand in for it where it is missing: the other breast's first, then the same breast's.
STAND_INS = {
    "row_l_cc": ("row_r_cc", "row_l_mlo", "row_r_mlo"),
    "row_l_mlo": ("row_r_mlo", "row_l_cc", "row_r_cc"),
    "row_r_cc": ("row_l_cc", "row_r_mlo", "row_l_mlo"),
    "row_r_mlo": ("row_l_mlo", "row_r_cc", "row_l_cc"),
}


def image_labels(images: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """Return the usable images of the cohort with the label of their breast.

    Parameters
    ----------
    images, cohort : DataFrame
        Tables of those names.

    Returns
    -------
    DataFrame
        One row an image: image_id, exam_id, patient_id, laterality, view, row, split,
        sampling_weight, label (bool: cancer in this breast within a year). Images of an exam whose
        cancer has no recorded side are left out: either label might be wrong. So are those of a
        breast that a public data set has not labelled.
    """
    exams = cohort.loc[
        cohort["has_pixels"],
        ["exam_id", "split", "sampling_weight", "cancer_within_1y", "cancer_laterality"],
    ]
    frame = _labelled(images[images["status"] == "ok"], cohort)[IMAGE_COLUMNS]
    frame = frame.merge(exams, on="exam_id")
    side = frame["cancer_laterality"]
    cancer = frame["cancer_within_1y"].astype(bool)
    frame["label"] = cancer & ((side == frame["laterality"]) | (side == "B"))
    frame["row"] = frame["row"].astype(np.int64)
    unknown_side = cancer & ~side.isin(["L", "R", "B"])
    return (
        frame[~unknown_side]
        .drop(columns=["cancer_within_1y", "cancer_laterality"])
        .reset_index(drop=True)
    )


def _labelled(images: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """The images of breasts with a label: all, but where a public data set gives it by breast."""
    if "labelled_laterality" not in cohort:
        return images
    told = images["exam_id"].map(cohort.set_index("exam_id")["labelled_laterality"])
    return images[(told == "B") | (told == images["laterality"])]


def exam_labels(images: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """Return the exams of the cohort that have a usable view, with the rows of their four views.

    A missing view is stood in for by the same view of the other breast, else by another view of the
    exam: the network always sees four images, and n_views says how many of them were taken. Of
    several images of a view the first by image_id counts; other views than CC and MLO do not.

    Parameters
    ----------
    images, cohort : DataFrame
        Tables of those names.

    Returns
    -------
    DataFrame
        One row an exam, sorted: exam_id, patient_id, split, sampling_weight, label (bool: cancer
        within a year), row_l_cc, row_l_mlo, row_r_cc, row_r_mlo, n_views. Cancers without a
        recorded side are kept: the label is the exam's.
    """
    usable = images[(images["status"] == "ok") & images["view"].isin(["CC", "MLO"])]
    usable = _labelled(usable, cohort)
    usable = usable.sort_values("image_id").drop_duplicates(["exam_id", "laterality", "view"])
    name = "row_" + usable["laterality"].str.lower() + "_" + usable["view"].str.lower()
    taken = usable.assign(name=name).pivot(index="exam_id", columns="name", values="row")
    taken = taken.reindex(columns=list(STAND_INS)).astype("Int64")
    filled = taken.copy()
    for view, others in STAND_INS.items():
        for other in others:
            filled[view] = filled[view].fillna(taken[other])
    rows = filled.dropna().astype(np.int64).assign(n_views=taken.notna().sum(axis=1))
    columns = ["exam_id", "patient_id", "split", "sampling_weight", "cancer_within_1y"]
    exams = cohort.loc[cohort["has_pixels"], columns].merge(rows.reset_index(), on="exam_id")
    exams["cancer_within_1y"] = exams["cancer_within_1y"].astype(bool)
    exams = exams.rename(columns={"cancer_within_1y": "label"})
    return exams.sort_values("exam_id", ignore_index=True)


def input_rows(table: pd.DataFrame, views: int) -> np.ndarray:
    """Return the store's rows behind each input of a network.

    Parameters
    ----------
    table : DataFrame
        As `image_labels` or `risk_labels` return it for one view, as `exam_labels` for four.
    views : {1, 4}

    Returns
    -------
    int array, shape (len(table), views)

    Raises
    ------
    InputError
        When the table lacks the columns of that many views.
    """
    columns = ["row"] if views == 1 else list(STAND_INS)
    if missing := [c for c in columns if c not in table.columns]:
        raise InputError(
            f"The table lacks {', '.join(missing)}, which a network of {views} view(s) needs; "
            "image_labels gives tables of images, exam_labels of four-view exams."
        )
    return table[columns].to_numpy(np.int64)


def selection_exams(
    cohort: pd.DataFrame, scorable: set[str], n_negatives: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Draw the dev exams on which networks are compared: every cancer, and some of the others.

    Parameters
    ----------
    cohort : DataFrame
        Table `cohort`; recall says which cancers readers caught. Where no reader's decision is
        told every cancer counts as caught.
    scorable : set of str
        exam_id of the exams that have images to score.
    n_negatives : int
        Exams without cancer, drawn at random; all where there are fewer.
    rng : numpy Generator

    Returns
    -------
    DataFrame
        exam_id, patient_id, label (bool: cancer within a year), caught (bool: a reader recalled
        it), weight (sampling weight; the negatives drawn stand for all of dev's, so that cancers
        stay as rare as they are).

    Raises
    ------
    InputError
        When dev holds no cancer that readers caught, or no exam without cancer.
    """
    dev = cohort[(cohort["split"] == "dev") & cohort["exam_id"].isin(scorable)]
    cancer = dev["cancer_within_1y"].to_numpy(bool)
    recall = dev["recall"].fillna(True).to_numpy(bool)
    if not (cancer & recall).any() or cancer.all():
        raise InputError(
            f"The development set holds {cancer.sum()} cancers and {(~cancer).sum()} other exams "
            "with pixels; selection needs both, and a cancer that a reader recalled."
        )
    negatives = np.flatnonzero(~cancer)
    n_drawn = min(n_negatives, len(negatives))
    drawn = rng.choice(negatives, n_drawn, replace=False)
    exams = dev.iloc[np.sort(np.concatenate([np.flatnonzero(cancer), drawn]))]
    label = exams["cancer_within_1y"].to_numpy(bool)
    weight = exams["sampling_weight"].to_numpy(float)
    return pd.DataFrame(
        {
            "exam_id": exams["exam_id"].to_numpy(),
            "patient_id": exams["patient_id"].to_numpy(),
            "label": label,
            "caught": label & exams["recall"].fillna(True).to_numpy(bool),
            "weight": np.where(label, weight, weight * len(negatives) / n_drawn),
        }
    )


def selection_metrics(
    store: np.ndarray,
    labelled: pd.DataFrame,
    cohort: pd.DataFrame,
    n_negatives: int,
    sensitivity: float,
    rng: np.random.Generator,
) -> Callable[[ResNet18], dict[str, float]]:
    """Return the function that scores a network on the development set.

    Parameters
    ----------
    store : uint8 array, shape (n_images, h, w)
    labelled : DataFrame
        As `image_labels` returns it, or `exam_labels` for a four-view network; all splits.
    cohort : DataFrame
        Table `cohort`; recall says which cancers readers caught.
    n_negatives : int
        Dev exams without cancer that are scored, drawn at random; every cancer is.
    sensitivity : float
        Share of caught cancers that the threshold must keep.
    rng : numpy Generator

    Returns
    -------
    callable
        Network -> {"dev_auc": exam-level AUC, "dev_ruled_out": share of exams that lie below the
        highest threshold at which `sensitivity` of the caught cancers stay above}.

    Raises
    ------
    InputError
        When dev holds no cancer that readers caught, or no exam without cancer.
    """
    exams = selection_exams(cohort, set(labelled["exam_id"]), n_negatives, rng)
    scored = labelled[labelled["exam_id"].isin(exams["exam_id"])]
    label, weight = exams["label"].to_numpy(), exams["weight"].to_numpy()
    caught = exams["caught"].to_numpy()

    def measure(network: ResNet18) -> dict[str, float]:
        logits = score_images(network, store, input_rows(scored, network.config.views))
        score = exam_scores(scored, logits).reindex(exams["exam_id"]).to_numpy()
        ruled_out = ruled_out_at_sensitivity(score, caught, weight, sensitivity)
        return {"dev_auc": auc(score, label, weight), "dev_ruled_out": ruled_out}

    return measure


def risk_labels(images: pd.DataFrame, exams: pd.DataFrame) -> pd.DataFrame:
    """Return the usable images of risk exams; both breasts carry the woman's label.

    Parameters
    ----------
    images : DataFrame
        Table `images`.
    exams : DataFrame
        With exam_id, split, sampling_weight, has_pixels and cancer_by_horizon (bool).

    Returns
    -------
    DataFrame
        One row an image: image_id, exam_id, patient_id, laterality, view, row, split,
        sampling_weight, label (bool: the woman had cancer by the horizon).
    """
    columns = ["exam_id", "split", "sampling_weight", "cancer_by_horizon"]
    frame = images.loc[images["status"] == "ok", IMAGE_COLUMNS].merge(
        exams.loc[exams["has_pixels"], columns], on="exam_id"
    )
    frame["row"] = frame["row"].astype(np.int64)
    return frame.rename(columns={"cancer_by_horizon": "label"})


def predictions_of(
    scores: pd.Series, cohort: pd.DataFrame, model: str, seed: int, horizon_years: float = 1
) -> pd.DataFrame:
    """Return exam scores as a `predictions` table, with the network's own probability.

    Parameters
    ----------
    scores : Series of float
        Logits, indexed by exam_id.
    cohort : DataFrame
        Table `cohort`; gives the split.
    model : str
    seed : int
        Of the run that trained the model.
    horizon_years : float

    Returns
    -------
    DataFrame
        exam_id, model, seed, horizon_years, score (logit), probability (sigmoid of it, as it comes
        out of balanced training: not calibrated), split; sorted by exam.
    """
    frame = scores.rename("score").rename_axis("exam_id").reset_index()
    frame = frame.merge(cohort[["exam_id", "split"]], on="exam_id").sort_values("exam_id")
    return frame.assign(
        model=model,
        seed=seed,
        horizon_years=float(horizon_years),
        probability=1 / (1 + np.exp(-frame["score"])),
    ).reset_index(drop=True)
