"""Small frames for the plots and tables of a reader study."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.reader_triage import PanelTriage
from mammolab.evaluate.readers import ModelAgainstReaders
from mammolab.report.style import interval_text

# Quantities that depend on how many cancers there are, as `enrichment_rows` writes them.
OF_PREVALENCE = {
    "exams ruled out": "fraction_ruled_out",
    "recalled, without": "recall_rate_without",
    "recalled, with": "recall_rate_with",
    "PPV, without": "ppv_without",
    "PPV, with": "ppv_with",
    "cancers among ruled out": "gross_false_omission",
    "recalled cancers among them": "net_false_omission",
}


def system_name(column: str) -> str:
    """How a system's column is written, such as "GMIC top5" for "AI_GMIC_top5_POM"."""
    return column.removeprefix("AI_").removesuffix("_POM").replace("_", " ")


def auc_rows(against: Mapping[str, ModelAgainstReaders]) -> pd.DataFrame:
    """AUCs of a panel and of systems, for `plots_reader_study.panel_aucs`.

    Parameters
    ----------
    against : mapping of str to ModelAgainstReaders
        By system's column; the same readers in each.

    Returns
    -------
    DataFrame
        name, kind (reader, mean, system), auc, ci_low, ci_high (NaN for single readers).
    """
    first = next(iter(against.values()))
    rows = [("readers", "reader", auc, np.nan, np.nan) for auc in first.reader_aucs]
    rows.append(("readers", "mean", first.readers.value, *first.readers.ci))
    for column, result in against.items():
        rows.append((system_name(column), "system", result.model.value, *result.model.ci))
    return pd.DataFrame(rows, columns=["name", "kind", "auc", "ci_low", "ci_high"])


def enrichment_rows(naive: PanelTriage, reweighted: PanelTriage) -> pd.DataFrame:
    """What depends on prevalence, as the study has it and reweighted, for `plots_reader_study`.

    Returns
    -------
    DataFrame
        quantity, then naive and reweighted with _low and _high, as shares. The first row is the
        prevalence itself, without limits.
    """
    given = [Estimate(one.prevalence, np.nan, np.nan) for one in (naive, reweighted)]
    rows = [("exams with cancer", *given)]
    rows += [
        (name, getattr(naive, field), getattr(reweighted, field))
        for name, field in OF_PREVALENCE.items()
    ]
    return pd.DataFrame(
        [
            {"quantity": name}
            | {"naive": one.value, "naive_low": one.low, "naive_high": one.high}
            | {"reweighted": two.value, "reweighted_low": two.low, "reweighted_high": two.high}
            for name, one, two in rows
        ]
    )


def shift_rows(triage: PanelTriage) -> pd.DataFrame:
    """Each reader, and their mean, without and with triage, for `plots_reader_study.reader_shifts`.

    Returns
    -------
    DataFrame
        kind (reader, mean), setting (without, with), sensitivity, specificity, and of the mean
        their limits _low and _high.
    """
    rows = [
        {"kind": "reader", "reader": reader, "setting": setting}
        | {"sensitivity": triage.reader_sensitivity[k, reader]}
        | {"specificity": triage.reader_specificity[k, reader]}
        for k, setting in enumerate(("without", "with"))
        for reader in range(triage.reader_sensitivity.shape[1])
    ]
    for setting in ("without", "with"):
        row: dict = {"kind": "mean", "reader": -1, "setting": setting}
        for measure in ("sensitivity", "specificity"):
            mean = getattr(triage, f"{measure}_{setting}")
            row |= {measure: mean.value, f"{measure}_low": mean.low, f"{measure}_high": mean.high}
        rows.append(row)
    return pd.DataFrame(rows)


def criterion_rows(triages: Mapping[str, PanelTriage], n_caught: Mapping[str, int]) -> pd.DataFrame:
    """What triage does under each criterion of recall, for `plots_reader_study.by_criterion`.

    Parameters
    ----------
    triages : mapping of str to PanelTriage
        By criterion in words.
    n_caught : mapping of str to int
        Cancers that the panel caught under it, from which thresholds were chosen.

    Returns
    -------
    DataFrame
        criterion, difference (of sensitivity), ci_low, ci_high, fraction_ruled_out, n_caught.
    """
    return pd.DataFrame(
        [
            {
                "criterion": name,
                "difference": triage.sensitivity_difference.value,
                "ci_low": triage.sensitivity_difference.low,
                "ci_high": triage.sensitivity_difference.high,
                "fraction_ruled_out": triage.fraction_ruled_out.value,
                "n_caught": n_caught[name],
            }
            for name, triage in triages.items()
        ]
    )


def recall_summary(recall: NDArray[np.bool_], weight: NDArray[np.float64]) -> str:
    """The panel's recall rate in words: mean, lowest and highest reader, in percent."""
    rates = 100 * np.average(recall, axis=0, weights=weight)
    return f"{rates.mean():.1f} ({rates.min():.1f} to {rates.max():.1f})"


def in_words(estimate: Estimate, digits: int = 1, scale: float = 100) -> str:
    """An estimate with its interval, in percent unless `scale` says otherwise."""
    return interval_text(estimate.value, estimate.low, estimate.high, digits, scale)
