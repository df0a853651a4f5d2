"""Which exams are eligible: the rules, in their order, and the flow of what each removes."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from mammolab.data.tables import RawExport


@dataclass(frozen=True)
class CohortRules:
    """The choices behind a cohort; every one of them is a line in the paper.

    Attributes
    ----------
    split_fractions : share of patients in train, dev and test.
    min_age_years : youngest age at exam; None for no limit.
    cancer_days : an exam is positive if a cancer is diagnosed within so many days of it.
    follow_up_days : an exam without cancer counts only if the woman was followed so long.
    episode_days : records of one breast no further apart than this are one cancer.
    split_salt : makes this study's split independent of another's.
    published_split : whether a public data set's own test women are kept (`published_split`).
    """

    split_fractions: Mapping[str, float]
    min_age_years: float | None = 40
    cancer_days: int = 365
    follow_up_days: int = 365
    episode_days: int = 180
    split_salt: str = "mammolab"
    published_split: bool = True


def apply_rules(
    exams: pd.DataFrame, rules: CohortRules, raw: RawExport
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the eligible exams, counting what each rule removes from what was left.

    Parameters
    ----------
    exams : labelled exams, with patient_id, death_date, follow_up_end and cancer_before or, where
        labels are given, labelled.
    rules : see `CohortRules`.
    raw : the export, which says what is told.

    Returns
    -------
    The eligible exams, and the table `cohort_flow`. A rule that cannot be judged of an exam keeps
    it; one that can be judged of none stands in the row "rules not judged".
    """
    # Of two exams on one day the one with pixels is kept, then the first id.
    preferred = exams.assign(without=exams["sampling_weight"].isna()).sort_values(
        ["without", "exam_id"]
    )
    keep = pd.Series(True, index=exams.index)
    rows = [_flow_row("exams in the export", exams, 0, "")]
    not_judged = []
    for rule in _rules_of(exams, rules, raw):
        if not rule.known.any() and len(exams):
            not_judged.append(rule.step)
            continue
        passes = rule.passes
        if passes is None:
            left = preferred[keep.reindex(preferred.index)]
            passes = ~left.duplicated(["patient_id", "exam_date"]).reindex(
                exams.index, fill_value=False
            )
        unknown = int((keep & ~rule.known).sum())
        removed = int((keep & rule.known & ~passes).sum())
        keep &= passes | ~rule.known
        reason = rule.reason + (f"; {unknown:,} of whom it is unknown are kept" if unknown else "")
        rows.append(_flow_row(rule.step, exams[keep], removed, reason))
    if not_judged:
        reason = (
            f"these rules cannot be judged, for want of what they need: {', '.join(not_judged)}"
        )
        rows.append(_flow_row("rules not judged", exams[keep], 0, reason))
    return exams[keep].copy(), pd.DataFrame(rows)


@dataclass(frozen=True)
class _Rule:
    """One rule: which exams pass (None: of one day, one exam), and of which it can be judged."""

    step: str
    passes: pd.Series | None
    reason: str
    known: pd.Series


def _rules_of(exams: pd.DataFrame, rules: CohortRules, raw: RawExport) -> list[_Rule]:
    """The rules in their order."""
    followed_days = (exams["follow_up_end"] - exams["exam_date"]).dt.days
    dated = exams["exam_date"].notna()
    linked = dated & (not raw.labels_given)
    found = [
        _Rule(
            "screening exams",
            exams["indication"] == "screening",
            "diagnostic indication",
            exams["indication"].notna(),
        )
    ]
    if rules.min_age_years is not None:
        age = f"{rules.min_age_years:g}"
        found.append(
            _Rule(
                f"age at least {age}",
                exams["age_years"] >= rules.min_age_years,
                f"younger than {age} at the exam",
                exams["age_years"].notna(),
            )
        )
    found += [
        _Rule(
            "dated before death",
            ~(exams["exam_date"] > exams["death_date"]),
            "dated after the recorded death",
            dated,
        ),
        _Rule(
            "no cancer before the exam",
            ~exams["cancer_before"] if "cancer_before" in exams else linked,
            "breast cancer diagnosed before the exam",
            linked,
        ),
        _Rule("one exam a day", None, "a second exam of the same day", dated),
        _Rule(
            "followed up, or cancer within one year",
            exams["cancer_within_1y"] | (followed_days >= rules.follow_up_days),
            f"no cancer, and followed for less than {rules.follow_up_days} days",
            linked & raw.tells("follow_up"),
        ),
    ]
    if raw.public is None:
        return found
    everyone = pd.Series(True, index=exams.index)
    if "labelled" in exams:
        found.append(
            _Rule("labelled", exams["labelled"], "no breast of the exam is labelled", everyone)
        )
    if raw.tells("reading"):
        found.append(
            _Rule(
                "reader's decision told",
                exams["recall"].notna(),
                "the reader's decision is not told",
                everyone,
            )
        )
    return found


def _flow_row(step: str, left: pd.DataFrame, n_removed: int, reason: str) -> dict:
    return {
        "step": step,
        "n_patients": left["patient_id"].nunique(),
        "n_exams": len(left),
        "n_images": None,
        "n_removed_exams": n_removed,
        "reason": reason,
    }
