"""The laboratory effect: how far the same readers' recalls in a study misstate those in the clinic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mammolab.evaluate.checks import (
    Estimate,
    check_flag,
    check_inside,
    check_weight,
    effective_number,
    patient_codes,
)
from mammolab.evaluate.mrmc import obuchowski_rockette
from mammolab.evaluate.rates import proportion_estimate
from mammolab.evaluate.readers import METRICS, ShareCovariance, event_among, share_covariance

SETTINGS = ("laboratory", "clinic")


@dataclass(frozen=True)
class SettingRates:
    """One rate in both settings; `difference` is laboratory minus clinic."""

    laboratory: Estimate
    clinic: Estimate
    difference: Estimate


@dataclass(frozen=True)
class LaboratoryRate:
    """One metric: by reader, and over readers, with the test of no difference over readers.

    The means over readers count every reader once. Their limits and `p_value` are NaN where there
    is one reader.
    """

    readers: dict[str, SettingRates]
    over_readers: SettingRates
    p_value: float


@dataclass(frozen=True)
class LaboratoryEffect:
    """Sensitivity, specificity and recall rate in the laboratory and in the clinic."""

    sensitivity: LaboratoryRate
    specificity: LaboratoryRate
    recall_rate: LaboratoryRate


def laboratory_effect(
    reader_id: ArrayLike,
    setting: ArrayLike,
    recall: ArrayLike,
    label: ArrayLike,
    patient_ids: ArrayLike,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> LaboratoryEffect:
    """Compare the same readers' recall decisions in a reader study and in the clinic.

    Readers who know that no patient depends on them, and that cancers are frequent, recall
    otherwise than at work: a reader study may misstate the clinic even with perfect weights.

    Parameters
    ----------
    reader_id : array-like of str, shape (n_readings,)
        One row a reading; every reader must have read in both settings.
    setting : array-like of str, shape (n_readings,)
        "laboratory" or "clinic".
    recall : array-like of bool, shape (n_readings,)
        True = recalled.
    label : array-like of bool, shape (n_readings,)
        True = cancer.
    patient_ids : array-like of str, shape (n_readings,)
        A patient read by several readers, or in both settings, is one unit throughout, so exams
        read in both settings are compared as pairs.
    sample_weight : array-like of float, shape (n_readings,), optional
        Inverse sampling probability. Laboratory sets are enriched: without weights that bring both
        settings to one population, recall rates cannot be compared.
    confidence : float in (0, 1)

    Returns
    -------
    LaboratoryEffect

    Raises
    ------
    ValueError
        If a setting is unknown, or a reader has, in one of the settings, fewer than two patients
        with cancer or fewer than two without; the message names the readers.

    Notes
    -----
    Over readers: Obuchowski and Rockette's analysis with settings as modalities, readers and
    patients random. By reader: Wilson's interval on the effective number of exams that the
    clustered variance implies, and for the difference the two intervals combined with their
    correlation (MOVER), so that a reader who missed no cancer is not given certainty.

    References
    ----------
    Gur et al. 2008, doi:10.1148/radiol.2491072025. Zou and Donner 2008,
    doi:10.1002/sim.3095, for the combination of intervals.

    Examples
    --------
    >>> readers = np.repeat(["r1", "r2"], 16)
    >>> settings = np.tile(np.repeat(["laboratory", "clinic"], 8), 2)
    >>> label = np.tile([1, 1, 1, 1, 0, 0, 0, 0], 4)
    >>> recall = [1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0] * 2
    >>> effect = laboratory_effect(readers, settings, recall, label, np.arange(32))
    >>> round(effect.sensitivity.over_readers.difference.value, 4)
    0.25
    """
    check_inside(confidence, "confidence", 0, 1)
    recall = check_flag(recall, "recall")
    n_rows = len(recall)
    label = check_flag(label, "label", n_rows)
    weight = check_weight(sample_weight, n_rows)
    patient, _ = patient_codes(patient_ids, n_rows)
    reader, names = _check_readers(reader_id, n_rows)
    n_readers = len(names)
    in_clinic = _check_setting(setting, n_rows)
    # one column a setting and reader, in the order of a (2, n_readers) table
    column = in_clinic * n_readers + reader
    cell = column[:, None] == np.arange(len(SETTINGS) * n_readers)
    counted = weight > 0
    for truth, kind in ((label, "with"), (~label, "without")):
        _check_patients(cell & (truth & counted)[:, None], patient, names, kind)

    decision = np.broadcast_to(recall[:, None], cell.shape)
    results = {}
    for metric in METRICS:
        event, among = event_among(decision, label, metric)
        among = among & cell & counted[:, None]
        fit = share_covariance(event, among, weight, patient)
        rates = [
            _wilson(fit.share[k], fit.covariance[k, k], weight[rows], patient[rows], confidence)
            for k, rows in enumerate(among.T)
        ]
        results[metric] = _compare(fit, rates, names, confidence)
    return LaboratoryEffect(**results)


def _compare(
    fit: ShareCovariance, rates: list[Estimate], names: list[str], confidence: float
) -> LaboratoryRate:
    """Differences by reader and over readers, of shares in the order of a (2, n_readers) table."""
    n_readers = len(names)
    by_reader = {}
    for j, name in enumerate(names):
        pair = [j, j + n_readers]
        difference = _difference(rates[j], rates[j + n_readers], fit.covariance[np.ix_(pair, pair)])
        by_reader[name] = SettingRates(rates[j], rates[j + n_readers], difference)
    table = fit.share.reshape(len(SETTINGS), n_readers)
    if n_readers == 1:  # no spread among readers to be seen
        nan = float("nan")
        values = (*table[:, 0], table[0, 0] - table[1, 0])
        alone = SettingRates(*(Estimate(float(value), nan, nan) for value in values))
        return LaboratoryRate(by_reader, alone, nan)
    study = obuchowski_rockette(table, fit.covariance, confidence=confidence)
    gap = study.differences[0, 1]
    over_readers = SettingRates(
        *(Estimate(mean.value, max(mean.low, 0.0), min(mean.high, 1.0)) for mean in study.means),
        Estimate(gap.value, max(gap.low, -1.0), min(gap.high, 1.0)),
    )
    return LaboratoryRate(by_reader, over_readers, gap.p_value)


def _wilson(
    share: float,
    variance: float,
    weight: NDArray[np.float64],
    patient: NDArray[np.intp],
    confidence: float,
) -> Estimate:
    """Wilson's interval on the number of independent exams that would give the same variance."""
    if 0 < share < 1:
        # chance may put the variance below that of as many independent exams: claim no more
        spread = share * (1 - share)
        n_effective = spread / max(variance, spread / len(weight))
    else:  # no variance is seen: Kish's effective number of patients
        per_patient = np.bincount(patient, weight)
        n_effective = effective_number(per_patient)
    return proportion_estimate(share * n_effective, n_effective, "wilson", confidence)


def _difference(first: Estimate, second: Estimate, covariance: NDArray[np.float64]) -> Estimate:
    """First minus second, from the distances of their limits and their correlation."""
    scale = float(np.sqrt(covariance[0, 0] * covariance[1, 1]))
    correlation = float(covariance[0, 1]) / scale if scale > 0 else 0.0

    def reach(one: float, other: float) -> float:
        return max(one**2 + other**2 - 2 * correlation * one * other, 0.0) ** 0.5

    value = first.value - second.value
    below = reach(first.value - first.low, second.high - second.value)
    above = reach(first.high - first.value, second.value - second.low)
    return Estimate(value, value - below, value + above)


def _check_readers(reader_id: ArrayLike, n_rows: int) -> tuple[NDArray[np.intp], list[str]]:
    """Return a number for each row's reader and the readers' names, sorted."""
    ids = np.asarray(reader_id)
    if ids.shape != (n_rows,):
        raise ValueError(f"reader_id must have the shape {(n_rows,)}, not {ids.shape}")
    codes, names = pd.factorize(ids, sort=True)
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        shown = ", ".join(str(row) for row in missing[:5])
        raise ValueError(f"reader_id is missing in {len(missing)} rows, first: {shown}")
    return codes, [str(name) for name in names]


def _check_setting(setting: ArrayLike, n_rows: int) -> NDArray[np.bool_]:
    """Return True where the setting is the clinic."""
    values = np.asarray(setting)
    if values.shape != (n_rows,):
        raise ValueError(f"setting must have the shape {(n_rows,)}, not {values.shape}")
    unknown = np.flatnonzero(~np.isin(values, SETTINGS))
    if len(unknown):
        raise ValueError(
            f"setting '{values[unknown[0]]}' in row {unknown[0]} is unknown; "
            f"valid: {', '.join(SETTINGS)}"
        )
    return values == "clinic"


def _check_patients(
    cell: NDArray[np.bool_], patient: NDArray[np.intp], names: list[str], kind: str
) -> None:
    """Raise unless every column, a setting and reader, holds two patients."""
    few = [k for k, rows in enumerate(cell.T) if len(pd.unique(patient[rows])) < 2]
    if few:
        shown = ", ".join(f"{names[k % len(names)]} ({SETTINGS[k // len(names)]})" for k in few[:5])
        raise ValueError(
            f"every reader needs two patients {kind} cancer in both settings; not so: {shown}"
        )
