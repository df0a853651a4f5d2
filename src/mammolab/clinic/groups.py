"""What triage does in each subgroup of the test exams, cells too small to tell named as such."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mammolab.evaluate import Estimate
from mammolab.evaluate.reliability import expected_over_observed_estimate
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.subgroups import auc_by_subgroup, share_by_subgroup, subgroup_table

FEWEST_PATIENTS = 20  # below either a cell is counted and not estimated (assumption)
FEWEST_CANCERS = 10


def subgroup_results(
    test: pd.DataFrame, names: Sequence[str], bootstrap: PatientBootstrap
) -> pd.DataFrame:
    """Every metric overall and in every level of every subgroup.

    Parameters
    ----------
    test : DataFrame
        patient_id, suspicion, probability, cancer, weight, ruled_out, optionally recall, and the
        columns `names`.
    names : sequence of str
    bootstrap : PatientBootstrap
        Of the test patients.

    Returns
    -------
    DataFrame
        As `evaluate.subgroups.subgroup_table`. Metrics: auc, fraction_ruled_out,
        expected_over_observed and, with readers, sensitivity_without, sensitivity_with,
        specificity_without, specificity_with and caught_cancers_ruled_out; without readers,
        cancers_ruled_out.
    """
    label = test["cancer"].to_numpy(bool)
    out = test["ruled_out"].to_numpy(bool)
    ids, weight = test["patient_id"].to_numpy(object), test["weight"].to_numpy(float)
    columns = {name: test[name].to_numpy(object) for name in names}
    common = {"subgroups": columns, "patient_ids": ids, "sample_weight": weight}
    fewest = {"minimum_patients": FEWEST_PATIENTS, "minimum_events": FEWEST_CANCERS}

    def share(metric: str, event: np.ndarray, among: np.ndarray, least: int) -> pd.DataFrame:
        return share_by_subgroup(
            metric, event, among, bootstrap=bootstrap, minimum_patients=least, **common
        )

    def ratio(cell: np.ndarray) -> Estimate:
        return expected_over_observed_estimate(
            test["probability"].to_numpy()[cell], label[cell], ids[cell], weight[cell], bootstrap
        )

    everybody = np.ones(len(test), dtype=bool)
    tables = [
        auc_by_subgroup(test["suspicion"], label, bootstrap=bootstrap, **fewest, **common),
        share("fraction_ruled_out", out, everybody, FEWEST_PATIENTS),
    ]
    if "recall" in test:
        recall = test["recall"].to_numpy(bool)
        tables += [
            share("sensitivity_without", recall, label, FEWEST_CANCERS),
            share("sensitivity_with", recall & ~out, label, FEWEST_CANCERS),
            share("specificity_without", ~recall, ~label, FEWEST_PATIENTS),
            share("specificity_with", ~recall | out, ~label, FEWEST_PATIENTS),
            share("caught_cancers_ruled_out", out, label & recall, FEWEST_CANCERS),
        ]
    else:
        tables.append(share("cancers_ruled_out", out, label, FEWEST_CANCERS))
    tables.append(subgroup_table("expected_over_observed", ratio, label, columns, ids, **fewest))
    return pd.concat(tables, ignore_index=True)
