"""Scores of healthy women by device, and by version of its software."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mammolab.errors import InputError
from mammolab.evaluate.gaps import share_gaps
from mammolab.evaluate.multiplicity import max_t
from mammolab.evaluate.resampling import PatientBootstrap, ratio_replicates

MINIMUM_PATIENTS = 20  # healthy ones, of a device and of the rest (assumption, as in the guards)


def device_versions(exams: pd.DataFrame, dicom_index: pd.DataFrame) -> pd.Series:
    """Name each exam's device, and the version of its software where it ran more than one.

    Parameters
    ----------
    exams : DataFrame
        exam_id, device.
    dicom_index : DataFrame
        Table of that name: exam_id, software.

    Returns
    -------
    Series of str
        In the order and index of `exams`, such as "dogwood 8.0"; None where the device is missing,
        and "dogwood, version unknown" where its version is.
    """
    software = dicom_index.dropna(subset=["exam_id"]).groupby("exam_id")["software"].first()
    version = exams["exam_id"].map(software)
    several = version.groupby(exams["device"]).transform("nunique") > 1
    full = exams["device"] + (" " + version).fillna(", version unknown")
    return full.where(several, exams["device"])


def scores_by_device(
    exams: pd.DataFrame, threshold: float, bootstrap: PatientBootstrap
) -> pd.DataFrame:
    """Scores of healthy women by device, each against all others.

    Parameters
    ----------
    exams : DataFrame, one row a healthy exam
        patient_id, device, score, sampling_weight; devices that are missing are left out.
    threshold : float
        `score >= threshold` is flagged.
    bootstrap : PatientBootstrap

    Returns
    -------
    DataFrame
        One row a device (index, sorted) of 20 patients and as many others: n_exams; shift, its mean
        score less that of the others in standard deviations of all, with shift_low, shift_high
        and shift_p, which hold for all devices at once (max-T); flagged, the share of its exams,
        with flagged_low and flagged_high for it alone, and flagged_p (max-T; NaN where fewer than
        five are flagged).

    Raises
    ------
    InputError
        If fewer than two devices are large enough.
    """
    exams = exams[exams["device"].notna()].reset_index(drop=True)
    patients = exams.groupby("device")["patient_id"].nunique()
    devices = sorted(patients.index[patients >= MINIMUM_PATIENTS])
    if len(devices) < 2:
        raise InputError(
            f"Scores can be compared between devices of {MINIMUM_PATIENTS} healthy women each; "
            f"there are {patients.to_dict() or 'none'}."
        )
    exams = exams[exams["device"].isin(devices)]
    weight, ids = exams["sampling_weight"].to_numpy(), exams["patient_id"].to_numpy()
    score = exams["score"].to_numpy()
    mean = np.average(score, weights=weight)
    score = (score - mean) / np.sqrt(np.average((score - mean) ** 2, weights=weight))
    inside = np.column_stack([exams["device"] == one for one in devices])
    shift = np.array(
        [
            np.average(score[of], weights=weight[of]) - np.average(score[~of], weights=weight[~of])
            for of in inside.T
        ]
    )
    drawn = np.column_stack(
        [
            ratio_replicates(score * of, of, ids, weight, bootstrap)
            - ratio_replicates(score * ~of, ~of, ids, weight, bootstrap)
            for of in inside.T
        ]
    )
    test = max_t(shift, drawn[np.isfinite(drawn).all(axis=1)])
    flagged = share_gaps(
        "flagged",
        exams["score"] >= threshold,
        np.ones(len(exams), dtype=bool),
        {"device": exams["device"].to_numpy(object)},
        ids,
        weight,
        bootstrap,
        minimum_patients=MINIMUM_PATIENTS,
    )
    flagged = flagged[flagged["by"] == "device"].set_index("level").loc[devices]
    return pd.DataFrame(
        {
            "n_exams": inside.sum(axis=0),
            "shift": shift,
            "shift_low": test.low,
            "shift_high": test.high,
            "shift_p": test.p_adjusted,
            "flagged": flagged["estimate"].to_numpy(),
            "flagged_low": flagged["ci_low"].to_numpy(),
            "flagged_high": flagged["ci_high"].to_numpy(),
            "flagged_p": flagged["p_adjusted"].to_numpy(),
        },
        index=pd.Index(devices, name="device"),
    )
