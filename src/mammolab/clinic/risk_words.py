"""What was found in a table of women, in plain sentences for the terminal."""

from __future__ import annotations

import numpy as np

from mammolab.clinic.risk_scores import PARTED, RiskScores
from mammolab.clinic.risk_table import FILES
from mammolab.risk.guidelines import FIVE_YEAR_THRESHOLDS, LIFETIME_THRESHOLD

PROBLEMS_SHOWN = 3
SYNTHETIC = "Synthetic data: nothing of this is a clinical finding."


def thresholds(span: str) -> tuple[float, ...]:
    """The guideline thresholds of a projection, by its name."""
    return {"5y": FIVE_YEAR_THRESHOLDS, "to_90": (LIFETIME_THRESHOLD,)}.get(span, ())


def distribution(s: RiskScores) -> list[dict]:
    """Of each model and projection: model, span, n_scored, p10, median, p90, share_at_<threshold>.

    The shares are those of the women scored at or above the threshold; NaN where none is scored.
    """
    rows = []
    for one in s.verdicts:
        for span, risk in one.risks.items():
            known = risk[one.scored]
            p10, median, p90 = np.quantile(known, [0.1, 0.5, 0.9]) if len(known) else [np.nan] * 3
            row = {"model": one.model, "span": span, "n_scored": len(known)}
            row |= {"p10": p10, "median": median, "p90": p90}
            for cut in thresholds(span):
                row[f"share_at_{cut:g}"] = (known >= cut).mean() if len(known) else np.nan
            rows.append(row)
    return rows


def span_in_words(span: str) -> str:
    """A projection as a reader says it.

    Examples
    --------
    >>> span_in_words("10y"), span_in_words("to_90")
    ('10 years', 'to age 90')
    """
    return "to age 90" if span == "to_90" else f"{span.removesuffix('y')} years"


def summary(s: RiskScores) -> list[str]:
    """A few lines for the terminal."""
    women, gail = s.women, s.verdicts[0]
    n_wrong = int(s.has_problem.sum())
    counts = f"{len(s.table):,} {women.unit}, {int(gail.scored.sum()):,} scored"
    listed = " (problems.csv)" if n_wrong else ""
    lines = [f"{women.file}: {counts}, {n_wrong:,} with problems{listed}"]
    for one in women.problems.head(PROBLEMS_SHOWN).itertuples():
        lines.append(f"  row {one.row}: {one.problem}")
    if len(women.problems) > PROBLEMS_SHOWN:
        lines.append(f"  and {len(women.problems) - PROBLEMS_SHOWN:,} more")
    if len(women.files):
        n_exams = women.files["position"].nunique()
        n_wrong = int((women.problems["column"] == FILES).sum())
        of_whom = f"{len(women.files):,} image files of {n_exams:,} {women.unit}"
        lines.append(f"{of_whom}, {n_wrong:,} not used")
    lines += _unknown_factors(s)
    lines += _distributions(s)
    lines += [f"skipped: {one}" for one in s.skipped]
    absent = [name for name in women.absent if name != "image_risk"]
    if absent:
        lines.append(f"columns not in the table, so unknown: {', '.join(absent)}")
    if women.unused:
        shown = ", ".join(women.unused[:6]) + ", ..." * (len(women.unused) > 6)
        lines.append(f"columns not used: {shown}")
    if s.trained and s.trained.synthetic:
        lines.append("The trained models know synthetic women only: no advice follows from them.")
    if women.synthetic:
        lines.append(SYNTHETIC)
    return lines


def _unknown_factors(s: RiskScores) -> list[str]:
    """How many women have unknown factors, and how many have something in their place."""
    missing = s.table["factors_missing"]
    n_missing, n_imputed = int((missing != "").sum()), int((s.table["factors_imputed"] != "").sum())
    if not n_missing:
        return []
    by_factor = missing[missing != ""].str.split(PARTED).explode().value_counts()
    most = ", ".join(f"{name} {n:,}" for name, n in sorted(by_factor.items(), key=_most_first))
    return [f"{n_missing:,} with unknown factors ({most}); in {n_imputed:,} a value stands in"]


def _most_first(one: tuple[str, int]) -> tuple[int, str]:
    return -one[1], one[0]


def _distributions(s: RiskScores) -> list[str]:
    """One line a model and projection."""
    titles = {one.model: one.title for one in s.verdicts}
    lines = []
    for row in distribution(s):
        if not row["n_scored"]:
            continue
        said = (
            f"{titles[row['model']]}, {span_in_words(row['span'])}: median "
            f"{percent(row['median'])} (10th to 90th percentile {percent(row['p10'])} to "
            f"{percent(row['p90'])})"
        )
        for cut in thresholds(row["span"]):
            said += f", {percent(row[f'share_at_{cut:g}'], 1)} at {100 * cut:g}% or more"
        lines.append(said)
    return lines


def percent(share: float, digits: int = 2) -> str:
    """A share in percent.

    Examples
    --------
    >>> percent(0.01671)
    '1.67%'
    """
    return f"{100 * share:.{digits}f}%"
