"""Whether what is missing depends on the label: blank is never negative, and may tell the class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.evaluate.checks import effective_number
from mammolab.pitfalls.verdict import GuardVerdict

LIMIT = 0.10  # difference of the shares known, positives against the rest (assumption)
LEVEL = 0.05  # over all columns and sites looked at
NAMES = {"recalled": "recalled (or birads)"}
FEWEST = 10  # patients of a class in a site, below which it is not judged (assumption)


def missing_by_label(
    frame: pd.DataFrame,
    label_column: str,
    columns: Sequence[str],
    site: str | None = None,
    limit: float = LIMIT,
) -> GuardVerdict:
    """Ask whether a column is filled in as often for the positives as for the others.

    Where readers' decisions are blank for one class, or at one hospital for the cancers only, no
    sensitivity can be computed from the table, and the blank itself tells the label.

    Parameters
    ----------
    frame : DataFrame
        patient, weight, the label (bool), and the columns.
    label_column : str
    columns : sequence of str
        Those without a blank, or blank throughout, are passed over.
    site : str, optional
        A column within whose levels it is asked; missing sites are a level.

    limit : float

    Returns
    -------
    GuardVerdict
        statistic: the largest absolute difference of the shares known. Fires above the limit, where
        the difference is also surely not 0 (Agresti and Caffo's interval over patients, Bonferroni
        over all columns and sites; the number of patients is Kish's effective one).

    Raises
    ------
    InputError
        If no column is partly blank, or a class is too small at every site.

    References
    ----------
    Agresti and Caffo 2000, doi:10.1080/00031305.2000.10474560.
    """
    partly = [c for c in columns if c in frame and 0 < frame[c].notna().mean() < 1]
    if not partly:
        raise InputError("no column is blank in some rows and filled in in others")
    place = pd.Series("", index=frame.index)
    if site is not None and site in frame:
        place = frame[site].fillna("unknown").astype(str)
    found = []
    for where, rows in frame.groupby(place.to_numpy(), sort=True):
        positive = rows[rows[label_column]]
        rest = rows[~rows[label_column]]
        of_patients = [part.groupby("patient")["weight"].sum() for part in (positive, rest)]
        if min(map(len, of_patients)) < FEWEST:
            continue
        n = tuple(effective_number(weight.to_numpy()) for weight in of_patients)
        for column in partly:
            shares = tuple(
                float(np.average(part[column].notna(), weights=part["weight"]))
                for part in (positive, rest)
            )
            found.append((column, where, shares, n))
    if not found:
        raise InputError(f"fewer than {FEWEST} patients of a class in every site")
    z = norm.ppf(1 - LEVEL / len(found) / 2)
    judged = [(*one, _surely_differs(one[2], one[3], z)) for one in found]
    judged.sort(key=lambda one: (not one[4], -abs(one[2][0] - one[2][1]), one[0], one[1]))
    column, where, (of_positives, of_rest), _, sure = judged[0]
    difference = abs(of_positives - of_rest)
    fired = bool(sure and difference > limit)
    there = f" at {site} {where}" if where != "" else ""
    finding = (
        "blank is no negative, and tells the class"
        if fired
        else "no difference beyond the limit"
        if difference <= limit
        else "too few to tell"
    )
    message = (
        f"Column {NAMES.get(column, column)} is filled in for {100 * of_positives:.0f}% of the positives and "
        f"{100 * of_rest:.0f}% of the others{there}: {finding}."
    )
    return GuardVerdict("missing_by_label", difference, limit, fired, message)


def _surely_differs(shares: tuple[float, float], n: tuple[float, float], z: float) -> bool:
    adjusted = [(s * k + 1) / (k + 2) for s, k in zip(shares, n, strict=True)]
    variance = sum(p * (1 - p) / (k + 2) for p, k in zip(adjusted, n, strict=True))
    return abs(adjusted[0] - adjusted[1]) > z * variance**0.5
