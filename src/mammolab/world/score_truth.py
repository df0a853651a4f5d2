"""What an image score is made of: density, texture, a lesion already there, age, and the rest.

Every figure is of the score on the women at hand, with the truth of each exam beside it. That a
part moves the score is one thing (`score_shares`), that it orders women by their coming cancers
another (`auc_parts`, `auc_without`): a score may spend most of its spread on what tells little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.errors import InputError
from mammolab.evaluate.checks import check_patients, check_vector, check_weight
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval, sum_replicates
from mammolab.world.risk_truth import auc_with_replicates
from mammolab.world.streams import stream
from mammolab.world.targets_risk import HORIZON_YEARS

PARTS = ("density", "texture", "lesion", "age")  # of a score; what is left is "rest"
_COLUMNS = {
    "density": ("density",),
    "texture": ("texture",),
    "lesion": ("lesion_there", "lesion_log_size"),
    "age": ("age",),
}
# Moments of single precision are right to about 1e-7: a smaller eigenvalue is no direction.
_RCOND = 1e-5
_DUST = 1e-9


def score_shares(
    truth: pd.DataFrame, score: ArrayLike, bootstrap: PatientBootstrap
) -> pd.DataFrame:
    """What a score is made of: a weighted regression on density, texture, lesion and age.

    Parameters
    ----------
    truth : result of `exam_truth`.
    score : array-like of float, shape (n,)
        On a scale where sums make sense: the logit of a probability.
    bootstrap : PatientBootstrap

    Returns
    -------
    DataFrame
        quantity, part, estimate, ci_low, ci_high. quantity "coefficient": SD of the score per SD of
        density, texture, lesion_there (a cancer leaves a trace), lesion_log_size (log of its size
        over that of the average lesion; 0 where none) and age, the others held. quantity "share":
        of the variance of the score, by part (`PARTS`; "rest": what none of them explains), the mean
        over all orders of entering the regression (Shapley), so that shares add up to 1.

    References
    ----------
    Lindeman, Merenda and Gold 1980 (shares); Groemping 2007, doi:10.1198/000313007X188252.
    """
    columns = _columns(truth)
    names = list(columns)
    weight = check_weight(truth["sampling_weight"], len(truth))
    score = check_vector(score, "score", len(truth))
    table = np.column_stack([*columns.values(), _standard(score, weight)])
    first, second = np.triu_indices(table.shape[1] + 1)
    extended = np.column_stack([np.ones(len(table)), table])
    products = weight[:, None] * extended[:, first] * extended[:, second]
    drawn = sum_replicates(products, check_patients(truth["patient_id"], len(truth)), bootstrap)
    moments = np.zeros((len(drawn) + 1, extended.shape[1], extended.shape[1]))
    moments[:, first, second] = moments[:, second, first] = np.vstack([products.sum(axis=0), drawn])
    mean = moments[:, 0, 1:] / moments[:, :1, 0]
    covariance = moments[:, 1:, 1:] / moments[:, :1, :1] - mean[:, :, None] * mean[:, None, :]

    with_score, total = covariance[:, :-1, -1], covariance[:, -1, -1]
    beta = np.einsum("rjk,rk->rj", _inverse(covariance[:, :-1, :-1]), with_score)
    # rounding may leave a variance of nothing below 0, as in a replicate without a lesion
    variance = np.diagonal(covariance[:, :-1, :-1], axis1=1, axis2=2)
    spread = np.sqrt(np.maximum(variance, 0.0) / total[:, None])
    rows = [
        ("coefficient", name, *_interval(column))
        for name, column in zip(names, (beta * spread).T, strict=True)
    ]

    def explained(parts: tuple[str, ...]) -> NDArray:
        at = [names.index(name) for part in parts for name in _COLUMNS[part]]
        if not at:
            return np.zeros(len(total))
        inner = _inverse(covariance[:, at][:, :, at])
        return np.einsum("rj,rjk,rk->r", with_score[:, at], inner, with_score[:, at]) / total

    shares = _shapley(PARTS, explained)
    shares["rest"] = 1 - explained(PARTS)
    rows += [("share", name, *_interval(column)) for name, column in shares.items()]
    return pd.DataFrame(rows, columns=["quantity", "part", "estimate", "ci_low", "ci_high"])


def auc_parts(
    truth: pd.DataFrame,
    score: ArrayLike,
    bootstrap: PatientBootstrap,
    seed: int,
    horizon_years: float = HORIZON_YEARS,
    n_shuffles: int = 10,
) -> pd.DataFrame:
    """How much of a score's AUC above one half comes from density, texture, lesion and age.

    The regression of `score_shares` splits the score into a sum: one term a part, and the rest. A
    part is known where its term is her own, unknown where it is another woman's, drawn at random:
    it then has the same spread and tells nothing. Each part is given what knowing it adds to the
    AUC, averaged over all orders of learning them (Shapley): the parts add up to the AUC less one
    half.

    Parameters
    ----------
    truth, score, bootstrap
        As in `score_shares`.
    seed, n_shuffles : int
        The shuffles: each woman meets so many strangers.
    horizon_years : float

    Returns
    -------
    DataFrame
        part (`PARTS`, "rest", "all": the score's AUC less one half), estimate, ci_low, ci_high.

    Notes
    -----
    The regression is that of the sample, and neither it nor the shuffles are drawn again in the
    replicates: with ten, they move a part by some 0.003. "rest" is what the score knows beside the parts: other facts, and what the straight
    lines of the regression miss of these.

    References
    ----------
    Covert, Lundberg and Lee 2020, arXiv:2004.00668 (the value of what is known, the rest unknown).
    """
    if n_shuffles < 1:
        raise InputError(f"n_shuffles must be at least 1, not {n_shuffles}")
    weight = check_weight(truth["sampling_weight"], len(truth))
    score = check_vector(score, "score", len(truth))
    terms = _terms(truth, score, weight)
    names = (*PARTS, "rest")
    rng = stream(seed, "score parts")
    drawn_by_weight = weight / weight.sum()
    strangers = {
        name: terms[name][rng.choice(len(score), n_shuffles * len(score), p=drawn_by_weight)]
        for name in names
    }
    # one copy of the women a shuffle: pairs of two copies count too
    copies = pd.concat([truth] * n_shuffles, ignore_index=True)
    her_own = {name: np.tile(term, n_shuffles) for name, term in terms.items()}

    def auc_knowing(chosen: tuple[str, ...]) -> NDArray:
        total = sum((her_own if name in chosen else strangers)[name] for name in names)
        value, drawn = auc_with_replicates(copies, total, [horizon_years], bootstrap)
        return np.concatenate([value, drawn[:, 0]])

    auc_of = {
        chosen: auc_knowing(chosen)
        for size in range(1, len(names))
        for chosen in combinations(names, size)
    }
    value, drawn = auc_with_replicates(truth, sum(terms.values()), [horizon_years], bootstrap)
    auc_of[names] = np.concatenate([value, drawn[:, 0]])
    auc_of[()] = np.full(bootstrap.n_replicates + 1, 0.5)
    parts = _shapley(names, auc_of.__getitem__)
    parts["all"] = auc_of[names] - 0.5
    rows = [(name, *_interval(column)) for name, column in parts.items()]
    return pd.DataFrame(rows, columns=["part", "estimate", "ci_low", "ci_high"])


def auc_without(
    truth: pd.DataFrame,
    score: ArrayLike,
    bootstrap: PatientBootstrap,
    horizon_years: float = HORIZON_YEARS,
) -> pd.DataFrame:
    """AUC of a score once density, texture or age is taken out of it, or lesions out of the sample.

    Parameters
    ----------
    truth, score, bootstrap, horizon_years
        As in `auc_parts`.

    Returns
    -------
    DataFrame
        without, n_exams, n_cancers, estimate, ci_low, ci_high, difference, difference_low,
        difference_high (less the score as it is, paired). `without`: "nothing"; "density",
        "texture", "age": the residual of the score on that and its square; "lesions": exams with a
        cancer that leaves a trace are left out, the score as it is; "all": both, the residual on all
        three. An AUC near one half: the score had nothing else. Unchanged: it had none of that.
    """
    weight = check_weight(truth["sampling_weight"], len(truth))
    score = check_vector(score, "score", len(truth))
    clear = ~truth["lesion_there"].to_numpy(bool)
    everybody = np.ones(len(truth), bool)
    sources = {"density": "latent_density", "texture": "texture", "age": "age_years"}
    ways = {"nothing": ((), everybody)}
    ways |= {name: ((source,), everybody) for name, source in sources.items()}
    ways |= {"lesions": ((), clear), "all": (tuple(sources.values()), clear)}
    rows, as_it_is = [], None
    for name, (removed, kept) in ways.items():
        part = truth[kept]
        left = _residual(part, score[kept], weight[kept], removed)
        value, drawn = auc_with_replicates(part, left, [horizon_years], bootstrap)
        column = np.concatenate([value, drawn[:, 0]])
        as_it_is = column if as_it_is is None else as_it_is
        cancers = (part["event"] == 1) & (part["time_years"] <= horizon_years)
        rows.append(
            (name, len(part), int(cancers.sum()), *_interval(column), *_interval(column - as_it_is))
        )
    columns = ["without", "n_exams", "n_cancers", "estimate", "ci_low", "ci_high"]
    columns += ["difference", "difference_low", "difference_high"]
    return pd.DataFrame(rows, columns=columns)


def _interval(column: NDArray) -> tuple[float, float, float]:
    """The first is the estimate, the others are its replicates."""
    return float(column[0]), *percentile_interval(column[1:])


def _standard(values: ArrayLike, weight: NDArray) -> NDArray[np.float64]:
    values = np.asarray(values, dtype=float)
    centred = values - np.average(values, weights=weight)
    spread = np.sqrt(np.average(centred**2, weights=weight))
    return centred / spread if spread > 0 else centred


def _columns(truth: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """The columns of the regression, each of mean 0 and SD 1 over the women screened."""
    weight = check_weight(truth["sampling_weight"], len(truth))
    there, size = truth["lesion_there"].to_numpy(bool), truth["lesion_mm"].to_numpy()
    log_size = np.zeros(len(truth))
    if (there & (weight > 0)).any():
        logs = np.log(size[there])
        log_size[there] = logs - np.average(logs, weights=weight[there])
    raw = {
        "density": truth["latent_density"],
        "texture": truth["texture"],
        "lesion_there": there,
        "lesion_log_size": log_size,
        "age": truth["age_years"],
    }
    return {name: _standard(values, weight) for name, values in raw.items()}


def _terms(truth: pd.DataFrame, score: NDArray, weight: NDArray) -> dict[str, NDArray]:
    """The standardised score as a sum of one term a part and the rest."""
    columns = _columns(truth)
    target = _standard(score, weight)
    design = np.column_stack(list(columns.values()))
    root = np.sqrt(weight)[:, None]
    beta = np.linalg.lstsq(root * design, root[:, 0] * target, rcond=None)[0]
    by_name = dict(zip(columns, (design * beta).T, strict=True))
    terms = {part: sum(by_name[name] for name in _COLUMNS[part]) for part in PARTS}
    return terms | {"rest": _without_dust(target - sum(terms.values()))}


def _residual(
    truth: pd.DataFrame, score: NDArray, weight: NDArray, removed: Sequence[str]
) -> NDArray[np.float64]:
    """What is left of a score after a weighted regression on columns and their squares."""
    z = [_standard(truth[name], weight) for name in removed]
    design = np.column_stack([np.ones(len(score)), *z, *(column**2 for column in z)])
    root = np.sqrt(weight)[:, None]
    beta = np.linalg.lstsq(root * design, root[:, 0] * score, rcond=None)[0]
    return _without_dust(score - design[:, 1:] @ beta[1:])


def _without_dust(left: NDArray) -> NDArray[np.float64]:
    """Rounding errors of an exact fit set to 0: ranked, they would order women."""
    return np.where(np.abs(left) < _DUST, 0.0, left)


def _inverse(matrices: NDArray) -> NDArray:
    return np.linalg.pinv(matrices, rcond=_RCOND, hermitian=True)


def _shapley(
    names: Sequence[str], value: Callable[[tuple[str, ...]], NDArray]
) -> dict[str, NDArray]:
    """What each name adds to `value` (a function of a tuple of names), averaged over all orders."""
    n = len(names)
    given = {name: np.float64(0.0) for name in names}
    for name in names:
        others = [other for other in names if other != name]
        for size in range(n):
            share = factorial(size) * factorial(n - size - 1) / factorial(n)
            for before in combinations(others, size):
                after = tuple(one for one in names if one in (*before, name))
                given[name] = given[name] + share * (value(after) - value(before))
    return given
