"""Non-inferiority by a t test over bootstrap replicates, which grows surer as one waits."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from mammolab.errors import InputError
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.paired import PairedCounts, noninferiority_p, tango_interval
from mammolab.evaluate.rates import proportion_estimate
from mammolab.pitfalls.failure import Failure, Outcome, check_dose
from mammolab.pitfalls.guards_unit import replicate_error
from mammolab.world.streams import stream

ALPHA = 0.025  # one-sided

REPLICATE_T_TEST = Failure(
    name="replicate_t_test",
    title="t test over replicates",
    metric="inferior ways turned down",
    dial="bootstrap replicates",
    guard="replicate_error",
    repair="Test on patients: Tango's score test of the paired cancers.",
    cost="Many more cancers before a margin of five points can be met.",
    source="Yala 2019, doi:10.1148/radiol.2019182908, tested replicates; Tango 1998 is the repair",
)


def replicate_t_test(
    dose: float,
    seed: int,
    margin: float = 0.05,
    gained: float = 0.01,
    n_cancers: int = 150,
    n_studies: int = 1000,
    most_replicates: int = 5000,
) -> Outcome:
    """Simulate a new way of reading that is inferior by just the margin, and test it.

    A replicate is not a patient: the t statistic over B of them grows with the root of B, and at
    last the sign of the observed difference decides alone.

    Parameters
    ----------
    dose : float in [0, 1]
        The number of replicates tested, from none (the cancers themselves are tested, Tango) to
        `most_replicates`, evenly on a logarithmic scale.
    seed : int
    margin : float in (0, 1)
        The loss of sensitivity held acceptable; the true loss is exactly this.
    gained : float
        Share of cancers that the new way alone finds; margin + gained is what the old alone finds.
    n_cancers, n_studies, most_replicates : int

    Returns
    -------
    Outcome
        The metric is how often the inferior way is not declared non-inferior. reported: the 97.5%
        that the test claims; true: the share of studies; repaired: the same by Tango's test. The
        guard sees the first study alone.

    References
    ----------
    Yala et al. 2019, doi:10.1148/radiol.2019182908 (t test over 5,000 replicates). Tango 1998,
    doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B.
    """
    check_dose(dose)
    if not (0 < margin < 1 and gained >= 0 and margin + 2 * gained < 1):
        raise InputError(
            "margin must lie between 0 and 1 and gained be small enough for both to be shares; "
            f"they are {margin} and {gained}."
        )
    studies = _studies(seed, margin, gained, n_cancers, n_studies)
    sound = _tango_p(studies, n_cancers, margin) < ALPHA
    first = PairedCounts(0.0, *map(float, studies[0]), float(n_cancers - studies[0].sum()))
    n_replicates = round(most_replicates**dose)
    if n_replicates < 2:
        declared, error = sound, _patients_error(first)
    else:
        p_value, errors = _replicate_test(seed, studies, n_cancers, margin, n_replicates)
        declared, error = p_value < ALPHA, float(errors[0])
    return Outcome(
        dose,
        float(n_replicates),
        Estimate(1 - ALPHA, np.nan, np.nan),
        proportion_estimate(int((~declared).sum()), n_studies),
        proportion_estimate(int((~sound).sum()), n_studies),
        replicate_error(error, first),
    )


def expected_error(n_replicates: NDArray[np.int64]) -> pd.DataFrame:
    """Chance that the t test over B replicates calls a way inferior by the margin non-inferior.

    Parameters
    ----------
    n_replicates : array of int, shape (n,)
        At least 2 each.

    Returns
    -------
    DataFrame
        n_replicates, error.

    Notes
    -----
    With a normal difference of standard error s the replicates scatter around it by s, so their
    mean scatters around the truth by s (1 + 1 / B)^(1/2), and the test takes it for s / B^(1/2):
    its statistic is Student's t times (B + 1)^(1/2). In the limit it is right half of the time.
    """
    number = np.asarray(n_replicates)
    if (number < 2).any():
        raise InputError(f"A t test needs two replicates or more, not {number.min()}.")
    limit = student.ppf(1 - ALPHA, number - 1) / np.sqrt(number + 1)
    return pd.DataFrame({"n_replicates": number, "error": student.sf(limit, number - 1)})


def _studies(
    seed: int, margin: float, gained: float, n_cancers: int, n_studies: int
) -> NDArray[np.int64]:
    """Cancers that only the new and only the old way finds, shape (n_studies, 2)."""
    shares = [gained, margin + gained, 1 - margin - 2 * gained]
    return stream(seed, "studies").multinomial(n_cancers, shares, size=n_studies)[:, :2]


def _tango_p(studies: NDArray[np.int64], n_cancers: int, margin: float) -> NDArray[np.float64]:
    distinct, which = np.unique(studies, axis=0, return_inverse=True)
    p_values = [
        noninferiority_p(PairedCounts(0, new, old, n_cancers - new - old), margin)
        for new, old in distinct.astype(float)
    ]
    return np.array(p_values)[which.ravel()]


def _patients_error(counts: PairedCounts) -> float:
    """Standard error that the interval of the patients implies."""
    interval = tango_interval(counts, 1 - 2 * ALPHA)
    return (interval.high - interval.low) / (2 * student.ppf(1 - ALPHA, np.inf))


def _replicate_test(
    seed: int, studies: NDArray[np.int64], n_cancers: int, margin: float, n_replicates: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """p-value of each study's t test, and the standard error it goes by.

    As `evaluate.paired.published_noninferiority`, for all studies: a bootstrap of paired counts is
    a multinomial draw, made of two binomial ones, each from a stream a replicate long, so that
    fewer replicates are the first of more.
    """
    new_rng, old_rng = stream(seed, "replicates, new"), stream(seed, "replicates, old")
    new, old = studies.T
    total, squares = np.zeros((2, len(studies)))
    for _ in range(n_replicates):
        drawn_new = new_rng.binomial(n_cancers, new / n_cancers)
        drawn_old = old_rng.binomial(n_cancers - drawn_new, old / (n_cancers - new))
        difference = (drawn_new - drawn_old) / n_cancers
        total += difference
        squares += difference**2
    mean = total / n_replicates
    variance = np.maximum(squares / n_replicates - mean**2, 0) * n_replicates / (n_replicates - 1)
    error = np.sqrt(variance / n_replicates)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(error > 0, (mean + margin) / error, np.inf * np.sign(mean + margin))
    return student.sf(statistic, n_replicates - 1), error
