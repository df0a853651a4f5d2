"""Small frames for the plots and tables of a reader study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.double_reading import DoubleReading
from mammolab.evaluate.multiplicity import adjust_p_values
from mammolab.evaluate.reader_triage import PanelTriage
from mammolab.evaluate.readers import ModelAgainstReaders
from mammolab.report.style import interval_text

SETTINGS = ("without", "with")
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
        for k, setting in enumerate(SETTINGS)
        for reader in range(triage.reader_sensitivity.shape[1])
    ]
    for setting in SETTINGS:
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
    # + 0.0 turns what rounds to minus nothing into nothing
    shown = (round(scale * x, digits) + 0.0 for x in (estimate.value, estimate.low, estimate.high))
    return interval_text(*shown, digits=digits)


def auc_table(
    by_exam: Mapping[str, ModelAgainstReaders], by_breast: Mapping[str, ModelAgainstReaders]
) -> pd.DataFrame:
    """Systems against the mean reader as a table to read, p-values adjusted after Holm."""
    holm = adjust_p_values([one.difference.p_value for one in by_exam.values()], "holm")
    return pd.DataFrame(
        {
            "AUC, exams": [in_words(one.model, 2, 1) for one in by_exam.values()],
            "minus readers": [in_words(one.difference, 2, 1) for one in by_exam.values()],
            "p (Holm)": holm,
            "AUC, breasts": [in_words(one.model, 2, 1) for one in by_breast.values()],
            "minus readers, breasts": [
                in_words(one.difference, 2, 1) for one in by_breast.values()
            ],
        },
        index=pd.Index([system_name(column) for column in by_exam], name="system"),
    )


def triage_table(triages: Mapping[tuple[str, str], PanelTriage]) -> pd.DataFrame:
    """Triage by (system's column, rule) as a table to read; shares in percent."""
    return pd.DataFrame(
        [
            {
                "system": system_name(column),
                "rule": rule.replace("_", " "),
                "ruled out, %": in_words(one.fraction_ruled_out),
                "cancers ruled out": one.n_cancers_ruled_out,
                "sensitivity, points": in_words(one.sensitivity_difference),
                "specificity, points": in_words(one.specificity_difference),
                "PPV without, %": in_words(one.ppv_without),
                "PPV with, %": in_words(one.ppv_with),
                "caught cancers per 1000 ruled out": in_words(one.net_false_omission, scale=1000),
            }
            for (column, rule), one in triages.items()
        ]
    )


def double_reading_table(settings: Sequence[DoubleReading]) -> pd.DataFrame:
    """Ways of reading an exam as a table to read, in percent."""
    return pd.DataFrame(
        [
            {
                "setting": one.setting,
                "sensitivity, %": in_words(one.sensitivity),
                "specificity, %": in_words(one.specificity),
                "recall rate at screening, %": in_words(one.recall_rate),
            }
            for one in settings
        ]
    )


def reported(naive: PanelTriage, reweighted: PanelTriage) -> dict[str, Estimate]:
    """What a chapter reports of triage on a reader study, by name."""
    fields = [f"{m}_{s}" for m in ("sensitivity", "specificity") for s in (*SETTINGS, "difference")]
    both = ["fraction_ruled_out", "ppv_without", "ppv_with", "net_false_omission"]
    return {name: getattr(reweighted, name) for name in (*fields, *both)} | {
        f"{name}_naive": getattr(naive, name) for name in both
    }
