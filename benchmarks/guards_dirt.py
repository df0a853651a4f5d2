"""One mistake a guard, made in a world at a dose, and what the guard says of it."""

import numpy as np
import pandas as pd
from guards_worlds import COLUMNS, LABEL, ROWS, SEPARATION, World
from scipy.special import expit, logit

from mammolab.audit import missing
from mammolab.pitfalls import (
    guards_calibration,
    guards_device,
    guards_exclusion,
    guards_follow_up,
    guards_groups,
    guards_image,
    guards_label,
    guards_metadata,
    guards_prevalence,
    guards_split,
    guards_unit,
)
from mammolab.pitfalls.verdict import GuardVerdict


def share_of(rows: np.ndarray, dose: float, rng: np.random.Generator) -> np.ndarray:
    """Return a flag that is True in a share `dose` of the flagged rows, at least one if above 0."""
    chosen = np.zeros(len(rows), dtype=bool)
    candidates = rng.permutation(np.flatnonzero(rows))
    chosen[candidates[: int(np.ceil(dose * len(candidates)))]] = True
    return chosen


def patient_overlap(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Women of the test set, one of whose exams lies in training too."""
    frame = world.frame
    split = frame["split"].to_numpy(object).copy()
    women = rng.permutation(frame.loc[frame["split"] == "test", "patient_id"].unique())
    repeated = frame["patient_id"].duplicated().to_numpy()
    leaked = women[: int(np.ceil(dose * len(women)))]
    split[frame["patient_id"].isin(leaked).to_numpy() & repeated] = "train"
    return guards_split.patient_overlap(world.ids, split)


def duplicate_images(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Test images that are noisy copies of training images, under another id."""
    test = np.arange(len(world.views)) % 2 == 0
    copied = np.flatnonzero(share_of(test, dose, rng))
    views = world.views.copy()
    noisy = views[copied + 1] + rng.normal(0, 3, (len(copied), ROWS, COLUMNS))
    views[copied] = np.clip(noisy, 0, 255).astype(np.uint8)
    fingerprints = guards_split.image_fingerprint(views)
    return guards_split.duplicate_images(fingerprints, world.ids, np.where(test, "test", "train"))


def metadata_auc(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Four negatives a cancer, a share of them from one scanner in the last two years."""
    there = world.on_device & (world.frame["exam_year"] >= 2015).to_numpy() & ~world.label
    n_wanted = 4 * int(world.label.sum())
    from_there = rng.permutation(np.flatnonzero(there))[: int(dose * n_wanted)]
    others = np.setdiff1d(rng.permutation(np.flatnonzero(~world.label)), from_there)
    others = rng.permutation(others)[: n_wanted - len(from_there)]
    rows = np.concatenate([np.flatnonzero(world.label), from_there, others])
    frame = world.frame.iloc[rows]
    return guards_metadata.metadata_auc(
        frame, LABEL, guards_metadata.METADATA, frame["patient_id"], rng
    )


def prevalence(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the exams without cancer left out."""
    kept = ~share_of(~world.label, dose, rng)
    return guards_prevalence.prevalence(
        world.label[kept], world.prevalence, patient_ids=world.ids[kept]
    )


def prevalence_by_source(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of one scanner's exams without cancer left out."""
    kept = ~share_of(world.on_device & ~world.label, dose, rng)
    frame = world.frame[kept]
    return guards_prevalence.prevalence_by_source(
        frame[LABEL], frame["device"], frame["patient_id"], rng, frame["weight"]
    )


def score_by_device(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Scores of one scanner shifted."""
    score = world.frame["score"] + dose * world.on_device
    weight = world.frame["weight"]
    return guards_device.score_by_device(
        score, world.frame["device"], world.label, world.ids, rng, weight
    )


def device_probe(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Sixteen features of woman, label and noise; one of them shifted on one scanner."""
    codes, distinct = pd.factorize(world.ids)
    features = rng.normal(size=(len(distinct), 16))[codes] + rng.normal(size=(len(codes), 16))
    features[:, 0] += world.label
    features[:, 1] += dose * np.sqrt(2) * world.on_device
    weight = world.frame["weight"]
    return guards_device.device_probe(
        features, world.frame["device"], world.label, world.ids, rng, weight
    )


def border_probe(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A marker of 10 x 10 pixels in a corner of a share of the images with cancer."""
    views = world.views.copy()
    views[share_of(world.label, dose, rng), 4:14, -14:-4] = 230
    return guards_image.border_probe(views, world.label, world.ids, rng)


def label_timing(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the exams one to five years before a cancer called cancer."""
    later = world.frame["diagnosis_date"].notna().to_numpy() & ~world.label
    label = world.label | share_of(later, dose, rng)
    frame, ids = world.frame, world.ids
    return guards_label.label_timing(
        frame["exam_date"], frame["diagnosis_date"], label, patient_ids=ids
    )


def label_source(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the cancers that were not recalled called healthy."""
    recalled = world.frame["recall"].to_numpy()
    label = world.label & ~share_of(world.label & ~recalled, dose, rng)
    ids = world.ids
    return guards_label.label_source(label, recalled, world.frame["weight"], ids)


def follow_up(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the exams without cancer followed for half a year."""
    days = world.frame["follow_up_days"].to_numpy(float).copy()
    days[share_of(~world.label, dose, rng)] = 180.0
    return guards_follow_up.follow_up(world.label, days, patient_ids=world.ids)


def early_cancers(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the cancers of the first year left in a set for five-year risk."""
    frame = world.frame
    early = ((frame["event"] == 1) & (frame["time_years"] < 1)).to_numpy()
    kept = ~early | share_of(early, dose, rng)
    return guards_follow_up.early_cancers(
        frame["time_years"][kept], frame["event"][kept], patient_ids=world.ids[kept]
    )


def exclusions(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A third left out by chance, and a share of the exams of dense breasts (d) besides."""
    codes, distinct = pd.factorize(world.ids)
    included = (rng.random(len(distinct)) > 1 / 3)[codes]
    included &= ~share_of((world.frame["density"] == "d").to_numpy(), dose, rng)
    groups = world.frame[["density", "race_ethnicity", "age_band", "implant", "device"]]
    return guards_exclusion.exclusions(included, world.label, groups, world.ids, rng)


def calibration(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Odds of cancer promised too high by a factor."""
    probability = expit(logit(world.frame["probability"]) + np.log(dose or 1))
    weight = world.frame["weight"]
    return guards_calibration.calibration(probability, world.label, world.ids, rng, weight)


def calibration_by(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Odds of cancer promised too high by a factor, on one scanner."""
    shift = np.log(dose or 1) * world.on_device
    probability = expit(logit(world.frame["probability"]) + shift)
    device, weight = world.frame["device"], world.frame["weight"]
    return guards_calibration.calibration_by(
        probability, world.label, device, world.ids, rng, weight
    )


def threshold_by(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Scores of one scanner shifted, and one threshold that recalls a tenth."""
    score = world.frame["score"] + dose * world.on_device
    device, weight = world.frame["device"], world.frame["weight"]
    return guards_calibration.threshold_by(score, 1.28, world.label, device, world.ids, rng, weight)


def clustered_interval(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Several images of an exam as rows, half of whose noise they share."""
    rows = np.repeat(np.arange(len(world.frame)), int(dose or 1))
    noise = rng.normal(size=len(rows)) * (dose > 0)
    score = world.frame["score"].to_numpy()[rows] + noise
    return guards_unit.clustered_interval(
        score, world.label[rows], world.ids[rows], world.frame["weight"].to_numpy()[rows]
    )


def subgroup_gap(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the cancers in dense breasts (c) scored as if healthy."""
    unseen = share_of(world.label & (world.frame["density"] == "c").to_numpy(), dose, rng)
    groups = world.frame[["density", "race_ethnicity", "age_band", "device"]]
    score = world.frame["score"] - SEPARATION * unseen
    weight = world.frame["weight"]
    return guards_groups.subgroup_gap(score, world.label, groups, world.ids, rng, weight)


def informative_censoring(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """A share of the women of the highest quarter of scores lost two years after the exam."""
    time_years = world.frame["time_years"].to_numpy().copy()
    event, score = world.frame["event"].to_numpy().copy(), world.frame["score"].to_numpy()
    high = (score > np.quantile(score, 0.75)) & (time_years > 2)
    lost = share_of(high, dose, rng)
    time_years[lost], event[lost] = 2.0, 0
    return guards_follow_up.informative_censoring(time_years, event, score, world.ids)


def missing_by_label(world: World, dose: float, rng: np.random.Generator) -> GuardVerdict:
    """Readers' decisions blank for a tenth of the women, and for a share of the cancers besides."""
    codes, distinct = pd.factorize(world.ids)
    blank = (rng.random(len(distinct)) < 0.1)[codes] | share_of(world.label, dose, rng)
    frame = world.frame.assign(
        patient=world.ids, recalled=world.frame["recall"].astype("boolean").mask(blank)
    )
    columns = ("recalled", "density", "race_ethnicity", "implant", "device")
    return missing.missing_by_label(frame, LABEL, columns, "site")
