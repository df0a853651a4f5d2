"""Two ways of reading the same cancers: McNemar's tests, Tango's interval, non-inferiority."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import binom, norm, ttest_1samp

from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_inside,
    check_vector,
    check_weight,
    effective_number,
)


@dataclass(frozen=True)
class PairedCounts:
    """Cancers detected by both ways, by the first only, by the second only, by neither."""

    both: float
    first_only: float
    second_only: float
    neither: float

    def __post_init__(self) -> None:
        counts = (self.both, self.first_only, self.second_only, self.neither)
        if not all(np.isfinite(counts)) or min(counts) < 0 or sum(counts) == 0:
            raise ValueError(f"paired counts must be finite, at least 0 and not all 0: {counts}")

    @property
    def n_total(self) -> float:
        """Number of pairs."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def difference(self) -> float:
        """Share detected by the first way minus share detected by the second."""
        return (self.first_only - self.second_only) / self.n_total


@dataclass(frozen=True)
class McNemarTest:
    """Tests that both ways detect equally often; z below 0 where the second detects more."""

    z: float
    p_asymptotic: float
    p_continuity: float
    p_exact: float
    p_mid: float


@dataclass(frozen=True)
class NoninferiorityTest:
    """Is the first way worse than the second by less than the margin?

    `difference` is first minus second with its Tango interval; `z` and the one-sided `p_value`
    test the hypothesis that the difference is -margin or worse.
    """

    difference: Estimate
    margin: float
    z: float
    p_value: float
    noninferior: bool


@dataclass(frozen=True)
class ReplicateTest:
    """The t test over bootstrap replicates as it has been published; see `replicate_t_test`."""

    t: float
    p_value: float
    n_replicates: int


def paired_counts(
    first: ArrayLike, second: ArrayLike, sample_weight: ArrayLike | None = None
) -> PairedCounts:
    """Cross-tabulate two decisions on the same independent units (cancers, one a patient).

    Parameters
    ----------
    first, second : array-like of bool, shape (n_cancers,)
        True = detected.
    sample_weight : array-like of float, shape (n_cancers,), optional
        Unequal weights give counts that sum to Kish's effective number, (sum w)^2 / sum w^2, so
        that tests on them do not claim more cancers than there are; equal weights change nothing.
    """
    first = check_flag(first, "first")
    second = check_flag(second, "second", len(first))
    weight = check_weight(sample_weight, len(first))
    weight = weight * (effective_number(weight) / weight.sum())
    return PairedCounts(
        float(weight @ (first & second)),
        float(weight @ (first & ~second)),
        float(weight @ (~first & second)),
        float(weight @ (~first & ~second)),
    )


def mcnemar_test(counts: PairedCounts) -> McNemarTest:
    """McNemar's test: asymptotic, with continuity correction, exact, and mid-P; all two-sided.

    Raises
    ------
    ValueError
        If the discordant counts are not whole numbers: the exact tests have no weighted form.

    References
    ----------
    Fagerland, Lydersen, Laake 2013, doi:10.1186/1471-2288-13-91.
    """
    b, c = round(counts.first_only), round(counts.second_only)
    if abs(b - counts.first_only) > 1e-6 or abs(c - counts.second_only) > 1e-6:
        raise ValueError(f"McNemar's test needs whole discordant counts, not {counts}")
    if b + c == 0:
        return McNemarTest(0.0, 1.0, 1.0, 1.0, 1.0)
    z = (b - c) / np.sqrt(b + c)
    corrected = max(abs(b - c) - 1, 0) / np.sqrt(b + c)
    fewer = min(b, c)
    tails = 2 * binom.cdf(fewer, b + c, 0.5)
    p_exact = min(1.0, tails)
    p_mid = min(1.0, tails - binom.pmf(fewer, b + c, 0.5))
    return McNemarTest(
        float(z),
        float(2 * norm.sf(abs(z))),
        float(2 * norm.sf(corrected)),
        float(p_exact),
        float(p_mid),
    )


def tango_interval(counts: PairedCounts, confidence: float = 0.95) -> Estimate:
    """Score interval for the paired difference, first minus second.

    It keeps its coverage with few discordant pairs, or none, where Wald's collapses.

    References
    ----------
    Tango 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B.

    Examples
    --------
    >>> interval = tango_interval(PairedCounts(59, 6, 16, 80))
    >>> round(interval.value, 4), round(interval.low, 4), round(interval.high, 4)
    (-0.0621, -0.124, -0.0054)
    """
    z = norm.ppf(0.5 + check_inside(confidence, "confidence", 0, 1) / 2)
    value = counts.difference
    # the statistic falls from above z to below -z as the hypothesised difference rises over (-1, 1)
    edge = 1 - 1e-12
    low = high = value
    if value > -edge:
        low = brentq(lambda d: _tango_z(counts, d) - z, -edge, value, xtol=1e-12)
    if value < edge:
        high = brentq(lambda d: _tango_z(counts, d) + z, value, edge, xtol=1e-12)
    return Estimate(value, float(low), float(high))


def noninferiority_test(
    counts: PairedCounts, margin: float, alpha: float = 0.025
) -> NoninferiorityTest:
    """Score test that the first way detects at most `margin` less than the second.

    Parameters
    ----------
    counts : PairedCounts
        Of cancers: first = the new way (with triage), second = the old (without).
    margin : float in (0, 1)
        The loss of sensitivity held acceptable, stated before looking; 0.05 in Yala 2019.
    alpha : float
        One-sided; the interval has confidence 1 - 2 alpha, and its lower limit lies above -margin
        exactly when the test rejects.

    References
    ----------
    Tango 1998, as for `tango_interval`.
    """
    check_inside(margin, "margin", 0, 1)
    check_inside(alpha, "alpha", 0, 0.5)
    z = _tango_z(counts, -margin)
    p_value = noninferiority_p(counts, margin)
    return NoninferiorityTest(
        tango_interval(counts, 1 - 2 * alpha), margin, z, p_value, p_value < alpha
    )


def noninferiority_p(counts: PairedCounts, margin: float) -> float:
    """The one-sided p-value of `noninferiority_test`, without its interval."""
    return float(norm.sf(_tango_z(counts, -check_inside(margin, "margin", 0, 1))))


def published_noninferiority(replicates: ArrayLike, margin: float) -> ReplicateTest:
    """One-sided t test that bootstrap replicates of the difference average above -margin.

    Shown beside `noninferiority_test` because it is what was published, not because it tests
    anything: the replicates are not a sample of patients, and the p-value goes to zero as their
    number grows, whatever the number of cancers.

    Parameters
    ----------
    replicates : array-like of float, shape (n_replicates,)
        Sensitivity with minus sensitivity without, one a bootstrap replicate. NaN (a replicate
        without cancers) is left out.
    margin : float in (0, 1)
    """
    check_inside(margin, "margin", 0, 1)
    replicates = np.asarray(replicates, dtype=np.float64)
    replicates = check_vector(replicates[~np.isnan(replicates)], "replicates")
    if np.ptp(replicates) == 0:  # no spread, no t: the sign of the only value decides
        sign = float(np.sign(replicates[0] + margin))
        t = sign * np.inf if sign else 0.0
        return ReplicateTest(t, (1 - sign) / 2, len(replicates))
    test = ttest_1samp(replicates, -margin, alternative="greater")
    return ReplicateTest(float(test.statistic), float(test.pvalue), len(replicates))


def _tango_z(counts: PairedCounts, difference: float) -> float:
    """Tango's score statistic for the hypothesis that the paired difference is `difference`."""
    n, b, c = counts.n_total, counts.first_only, counts.second_only
    observed = b - c - n * difference
    # the most likely share of second-only pairs under the hypothesis: root of a quadratic
    linear = -b - c + (2 * n - b + c) * difference
    constant = -c * difference * (1 - difference)
    root = np.sqrt(max(linear**2 - 8 * n * constant, 0.0))
    second_only = (root - linear) / (4 * n)
    variance = n * (2 * second_only + difference * (1 - difference))
    if variance <= 0:  # no discordant pair and no hypothesised difference
        return 0.0 if observed == 0 else float(np.sign(observed) * np.inf)
    return float(observed / np.sqrt(variance))
