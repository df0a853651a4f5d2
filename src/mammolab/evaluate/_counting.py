"""Exams counted by kind, in the sample and in every bootstrap replicate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mammolab.evaluate.checks import Estimate, patient_codes
from mammolab.evaluate.resampling import (
    PatientBootstrap,
    percentile_interval,
    ratio_or_nan,
    share_estimate,
    sum_replicates,
)

OUT, READ, IN = 0, 1, 2  # bands of the score


@dataclass(frozen=True, eq=False)
class ExamKinds:
    """Exams by kind: band of score (out, read, in) x recall by the reader x label.

    Every rate of the clinic is a ratio of sums over these twelve kinds, so that one product gives
    the replicates of them all. `band`, `recall` and `label` are of shape (12,), one a kind.
    """

    of_exam: NDArray[np.intp]
    weight: NDArray[np.float64]
    patient_ids: NDArray
    bootstrap: PatientBootstrap
    confidence: float
    total: NDArray[np.float64]  # (12,)
    total_replicates: NDArray[np.float64]  # (n_replicates, 12)

    band = np.arange(12) // 4
    recall = np.arange(12) // 2 % 2 == 1
    label = np.arange(12) % 2 == 1

    @classmethod
    def count(cls, band, recall, label, weight, patient_ids, bootstrap, confidence) -> ExamKinds:
        of_exam = 4 * band + 2 * recall + label
        table = np.zeros((len(weight), 12))
        table[np.arange(len(weight)), of_exam] = weight
        replicates = sum_replicates(table, patient_ids, bootstrap)
        total = table.sum(axis=0)
        return cls(of_exam, weight, patient_ids, bootstrap, confidence, total, replicates)

    @property
    def recalled(self) -> NDArray[np.bool_]:
        """Whether a kind is recalled with triage."""
        return (self.recall & (self.band == READ)) | (self.band == IN)

    def replicates(self, event: NDArray[np.bool_], among: NDArray[np.bool_]) -> NDArray:
        return ratio_or_nan(self.total_replicates @ (event & among), self.total_replicates @ among)

    def share(self, event: NDArray[np.bool_], among: NDArray[np.bool_]) -> Estimate:
        met = event[among & (self.total > 0)]
        if met.all() or not met.any():  # no spread between replicates: an exact interval instead
            flags = (event[self.of_exam], among[self.of_exam])
            return share_estimate(
                *flags, self.patient_ids, self.weight, self.bootstrap, self.confidence
            )
        value = self.total @ (event & among) / (self.total @ among)
        interval = percentile_interval(self.replicates(event, among), self.confidence)
        return Estimate(float(value), *interval)

    def difference(self, first: tuple, second: tuple) -> Estimate:
        """First share minus second, each a pair (event, among), paired by replicate."""
        value = self.share(*first).value - self.share(*second).value
        change = self.replicates(*first) - self.replicates(*second)
        return Estimate(value, *percentile_interval(change, self.confidence))


def any_per_patient(value: NDArray, chosen: NDArray[np.bool_], patient_ids: NDArray) -> NDArray:
    """Highest value (of a flag: whether any) over each patient's chosen exams.

    Shape (n_patients,), patients without a chosen exam left out, in order of appearance.
    """
    codes, n_patients = patient_codes(patient_ids[chosen])
    highest = np.zeros(n_patients, dtype=value.dtype)
    np.maximum.at(highest, codes, value[chosen])
    return highest
