"""Where exams are taken from: the years and devices that a collector gets at."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mammolab.errors import InputError, unknown_name

LABEL = "cancer_within_1y"
CONVENIENT = ("early", "even")
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


def convenient_rule(
    exams: pd.DataFrame, negatives_from: str, n_early_years: int, n_devices: int
) -> SamplingRule:
    """Where negatives are easy to get.

    Parameters
    ----------
    exams : DataFrame
        exam_year, device.
    negatives_from : {"early", "even"}
        "early": the first years, on the devices most used then; "even": the even years, whatever
        the device, as in the lecture this package retells.
    n_early_years, n_devices : int
        Of "early".

    Raises
    ------
    InputError
        If it is called otherwise, or there is no such year.
    """
    if negatives_from not in CONVENIENT:
        raise unknown_name("convenient source", negatives_from, CONVENIENT)
    years = sorted(map(int, exams["exam_year"].dropna().unique()))
    if negatives_from == "early":
        early = exams[exams["exam_year"].isin(years[:n_early_years])]
        devices = tuple(early["device"].value_counts().index[:n_devices])
        return SamplingRule(tuple(years[:n_early_years]), devices)
    even = tuple(year for year in years if year % 2 == 0)
    if not even:
        there = ", ".join(map(str, years)) or "none"
        raise InputError(f"No exam is of an even year; the years are {there}.")
    return SamplingRule(even)


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
