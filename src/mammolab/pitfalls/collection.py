"""Where exams are taken from: the years and devices that a collector gets at."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mammolab.errors import InputError, unknown_name

LABEL = "cancer_within_1y"
DENSE = ("c", "d")


@dataclass(frozen=True)
class SamplingRule:
    """Where the exams of one class are taken from.

    Attributes
    ----------
    years : tuple of int
        Years of the exam; empty for all.
    devices : tuple of str
        Empty for all.
    """

    years: tuple[int, ...] = ()
    devices: tuple[str, ...] = ()


def reached(exams: pd.DataFrame, label: bool, rule: SamplingRule) -> pd.DataFrame:
    """Return the exams of a class that a rule reaches.

    Parameters
    ----------
    exams : DataFrame
        cancer_within_1y, exam_year, device.
    label : bool
    rule : SamplingRule

    Raises
    ------
    InputError
        If the rule names a year or device that the exams lack, or reaches none.
    """
    for column, wanted in (("exam_year", rule.years), ("device", rule.devices)):
        present = sorted(exams[column].dropna().unique())
        for value in wanted:
            if value not in present:
                raise unknown_name(f"{column} among the exams", str(value), map(str, present))
    inside = exams[LABEL] == label
    if rule.years:
        inside &= exams["exam_year"].isin(rule.years)
    if rule.devices:
        inside &= exams["device"].isin(rule.devices)
    if not inside.any():
        kind = "cancer" if label else "exam without cancer"
        raise InputError(f"The rule {rule} reaches no {kind} with pixels.")
    return exams[inside]
