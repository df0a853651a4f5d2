"""Cancers from everywhere, negatives from where they are easy to get; and many images at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.pitfalls.collection import LABEL, SamplingRule, reached
from mammolab.pitfalls.failure import Failure, Outcome, Streams, check_dose
from mammolab.pitfalls.retraining import collected, collected_outcome, judged, trained_scores
from mammolab.pitfalls.small_study import JOINTLY, SmallStudy, joint_scores
from mammolab.pitfalls.upgrade import software_upgrade

BATCH_OF_FOUR = 12  # inputs of four images

CONFOUNDED_SOURCES = Failure(
    name="confounded_sources",
    title="Classes from different sources",
    metric="AUC",
    dial="negatives from the convenient source",
    guard="metadata_auc",
    repair="Take negatives from every year and device that cancers come from, in proportion.",
    cost="Negatives must be pulled from every archive; here as many exams as before.",
    source="Zech et al. 2018, doi:10.1371/journal.pmed.1002683: the hospital alone told pneumonia "
    "with an AUC of .861, and .931 inside fell to .815 outside. Badgeley et al. 2019, "
    "doi:10.1038/s41746-019-0105-1: the scanner was told with an AUC of 1.00, and fracture with .78, "
    "which fell to .52 once matched.",
)
SEVERAL_IMAGES = Failure(
    name="several_images",
    title="All four images at once",
    metric="AUC",
    dial="images looked at jointly",
    guard="metadata_auc",
    repair="Collect the classes alike; while in doubt, label and score each breast alone.",
    cost="What several views of one breast tell together is not used.",
    source="Told in the lecture this package retells; not published with numbers. On classes from "
    "different sources: Zech et al. 2018, doi:10.1371/journal.pmed.1002683.",
)


def collect_from_sources(
    exams: pd.DataFrame, convenient: SamplingRule, share: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Collect half cancers, half others, of whom a share comes from the convenient source.

    Parameters
    ----------
    exams : DataFrame
        Of one split: cancer_within_1y, exam_year, device.
    convenient : SamplingRule
    share : float in [0, 1]
        Of the negatives; the rest comes from all exams alike.
    rng : numpy Generator

    Returns
    -------
    DataFrame
        Rows of `exams`, in their order. The number of each class does not depend on `share`: all
        cancers, or as many as the convenient source has negatives.

    Raises
    ------
    InputError
        When the rule names a year or device that there is not, or reaches nobody; or one class is
        empty.
    """
    label = exams[LABEL].to_numpy(bool)
    easy = reached(exams, False, convenient).index.to_numpy()
    cancers, others = exams.index[label].to_numpy(), exams.index[~label].to_numpy()
    n_each = min(len(cancers), len(easy))
    if not n_each:
        raise InputError(f"There is no cancer among the {len(exams)} exams.")
    cancers, easy, others = (rng.permutation(group) for group in (cancers, easy, others))
    easy = easy[: round(share * n_each)]
    others = others[~np.isin(others, easy)][: n_each - len(easy)]
    return exams.loc[np.sort(np.concatenate([cancers[:n_each], easy, others]))]


def sound_scores(study: SmallStudy, convenient: SamplingRule, streams: Streams) -> pd.Series:
    """Test scores of the network that is trained on as many exams, but from everywhere.

    It is dose 0 and the repair of every failure that takes its scores, so that it is trained once.
    """
    return trained_scores(study, collect_from_sources, convenient, 0.0, streams)


def confounded_sources(
    study: SmallStudy,
    convenient: SamplingRule,
    sound: pd.Series,
    streams: Streams,
    dose: float,
) -> Outcome:
    """Take negatives from the convenient source, for training and test alike, and train anew.

    Parameters
    ----------
    study : SmallStudy
    convenient : SamplingRule
        Years and devices whose negatives are easy to get, as `collection.convenient_rule` gives it.
    sound : Series
        As `sound_scores` gives it, by exam_id: dose 0, and the repair.
    streams : callable
        Purpose -> numpy Generator, such as `chapter.rng`: the same for a purpose at every dose.
    dose : float in [0, 1]
        Share of the negatives from that source.

    Returns
    -------
    Outcome
        Of the AUC: on a test set collected in the same way, and on women as they come.

    References
    ----------
    Zech et al. 2018, doi:10.1371/journal.pmed.1002683; Badgeley et al. 2019,
    doi:10.1038/s41746-019-0105-1.
    """
    return collected_outcome(study, collect_from_sources, convenient, sound, streams, dose)


def processed_by_year(study: SmallStudy, years: Collection[int], contrast: float) -> SmallStudy:
    """The same study, had the pictures of some years been processed with another contrast.

    Parameters
    ----------
    study : SmallStudy
    years : collection of int
    contrast : float
        As for `device.software_upgrade`; 1 leaves the pictures as they are.
    """
    year = study.inputs["exam_id"].map(study.exams.set_index("exam_id")["exam_year"])
    other = year.isin(years).to_numpy()
    thumbnails = study.thumbnails.copy()
    thumbnails[other] = software_upgrade(thumbnails[other], contrast)
    return replace(study, thumbnails=thumbnails)


def alone_scores(
    study: SmallStudy, convenient: SamplingRule, n_networks: int, streams: Streams
) -> pd.Series:
    """Test scores of the network of `several_images` that looks at one image at a time and is
    trained on as many exams from everywhere: the repair.
    """
    return _joint_scores(study, convenient, 0.0, 1, n_networks, streams)


def several_images(
    study: SmallStudy,
    convenient: SamplingRule,
    alone: pd.Series,
    n_networks: int,
    streams: Streams,
    dose: float,
) -> Outcome:
    """Let the network look at more images at once, on a collection with different sources.

    One image at a time, the healthy breast of each woman with cancer is a negative from the same
    device on the same day: the network is punished for going by the device. All images at once, the
    exam's label is the only one, and nothing speaks against the shortcut.

    Parameters
    ----------
    study, convenient, streams
        As for `confounded_sources`; all negatives are from the convenient source.
    alone : Series
        As `alone_scores` gives it, by exam_id: the repair.
    n_networks : int
        Trained at each dose; their mean is scored, for single ones differ as much as doses do.
    dose : float in [0, 1]
        1, 2 or 4 images (to the nearest power of 2) share one label and meet in the last layer.

    Returns
    -------
    Outcome
        Of the AUC. Dose 0 is one image at a time; its classes are from different sources all the
        same, so that it, too, reports too much.

    References
    ----------
    Told in the lecture this package retells, without numbers; on classes from different sources
    Zech et al. 2018, doi:10.1371/journal.pmed.1002683.
    """
    n_images = min(JOINTLY, key=lambda n: abs(np.log2(n) - 2 * check_dose(dose)))
    test = collected(study, collect_from_sources, convenient, 1.0, streams, "test")
    scores = _joint_scores(study, convenient, 1.0, n_images, n_networks, streams)
    return judged(study, scores, test, dose, float(n_images), alone, streams)


def _joint_scores(
    study: SmallStudy,
    convenient: SamplingRule,
    share: float,
    n_images: int,
    n_networks: int,
    streams: Streams,
) -> pd.Series:
    train = collected(study, collect_from_sources, convenient, share, streams, "train")
    rng = streams("joint training")
    return joint_scores(study, train["exam_id"], n_images, BATCH_OF_FOUR, n_networks, rng)
