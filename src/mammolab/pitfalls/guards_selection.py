"""Guard on selection: how often was something tried, and how often on the test set?"""

from __future__ import annotations

import numpy as np
from scipy.integrate import quad
from scipy.stats import norm

from mammolab.errors import InputError
from mammolab.pitfalls.verdict import GuardVerdict


def disclosed_selection(
    n_candidates: int | None, n_test_looks: int | None, n_seeds: int | None
) -> GuardVerdict:
    """Ask whether it was told how often one has tried, and how often on the test set.

    Parameters
    ----------
    n_candidates : int or None
        Models, epochs, settings or subgroups that were tried; None where not told.
    n_test_looks : int or None
        How many of them were scored on the test set before one was chosen; 1 is right.
    n_seeds : int or None
        Runs of the chosen one with another seed, itself included.

    Returns
    -------
    GuardVerdict
        statistic: standard errors by which the best of so many equal models looks better than it is
        (NaN where not told); limit: 0. Fires above it, where a number is not told, and
        where there is one seed, which cannot show how much is luck.

    Raises
    ------
    InputError
        If a number is below 1.

    Notes
    -----
    The expected maximum of independent normal variables; models tried on one test set are
    correlated, so that it is at most so much.

    References
    ----------
    Varoquaux and Cheplygina 2022, doi:10.1038/s41746-022-00592-y.
    """
    numbers = {"candidates": n_candidates, "looks at the test set": n_test_looks, "seeds": n_seeds}
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise InputError(f"The number of {name} must be at least 1, not {number}.")
    untold = [name for name, number in numbers.items() if number is None]
    luck = float("nan") if n_test_looks is None else expected_best(n_test_looks)
    fired = bool(untold) or luck > 0 or n_seeds == 1
    if untold:
        finding = f"The number of {' and of '.join(untold)} is not told"
    elif luck > 0:
        finding = (
            f"The test set was looked at {n_test_looks} times: the best of so many equal models "
            f"looks up to {luck:.1f} standard errors better than it is"
        )
    elif n_seeds == 1:
        finding = "One seed was run, which does not show how much of the result is luck"
    else:
        finding = f"{n_candidates} candidates, one look at the test set, {n_seeds} seeds"
    return GuardVerdict("disclosed_selection", luck, 0.0, fired, finding + ".")


def expected_best(n: int) -> float:
    """Expected maximum of n independent standard normal variables; 0 for n = 1.

    Examples
    --------
    >>> round(expected_best(2), 4), round(expected_best(50), 2)
    (0.5642, 2.25)
    """
    if n == 1:
        return 0.0
    value, _ = quad(lambda x: x * n * np.exp(norm.logpdf(x) + (n - 1) * norm.logcdf(x)), -10, 20)
    return float(value)
