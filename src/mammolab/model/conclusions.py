"""What a study of training choices found: tables of its ways, differences, and sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.roc import auc
from mammolab.model.choices import Panel
from mammolab.model.study import StudyData, Trained, auc_spread, way_auc, way_difference


def verdict(difference: Estimate, lecture: bool) -> str:
    """Say what a difference shows.

    Parameters
    ----------
    difference : Estimate
        The first way's AUC less the other's.
    lecture : bool
        The first way is the lecture's choice.
    """
    if difference.low > 0:
        return "as the lecture has it" if lecture else "better"
    if difference.high < 0:
        return "against the lecture" if lecture else "worse"
    return "no difference that this study could tell"


def panel_table(
    panel: Panel,
    data: StudyData,
    trained: dict[tuple[str, int], Trained],
    bootstrap: PatientBootstrap,
) -> pd.DataFrame:
    """Dev AUC of each way of a panel, and of each of its seeds.

    Returns
    -------
    DataFrame
        label, series ("patches first" or "whole images"), seed (NaN: the mean over seeds), auc,
        ci_low, ci_high (NaN for single seeds), seconds (of a training, mean).
    """
    spread = auc_spread(data, trained)
    rows = []
    for label, way in panel.ways.items():
        text, _, patches = label.partition(", ")
        name = {"label": text, "series": patches or "whole images"}
        estimate = way_auc(data, trained, way, bootstrap, spread)
        of_way = {seed: one for (known, seed), one in trained.items() if known == way}
        seconds = float(np.mean([one.seconds for one in of_way.values()]))
        rows.append({**name, "seed": np.nan, "auc": estimate.value, "ci_low": estimate.low,
                     "ci_high": estimate.high, "seconds": seconds})  # fmt: skip
        for seed, one in of_way.items():
            value = auc(one.scores, data.dev["label"], data.dev["weight"])
            rows.append({**name, "seed": seed, "auc": value, "seconds": one.seconds})
    return pd.DataFrame(rows)


def contrast_table(
    panels: Sequence[Panel],
    data: StudyData,
    trained: dict[tuple[str, int], Trained],
    bootstrap: PatientBootstrap,
) -> pd.DataFrame:
    """Differences in dev AUC, each contrast's first way less its other.

    Returns
    -------
    DataFrame
        panel, key, words, difference, ci_low, ci_high, verdict (see `verdict`).
    """
    spread = auc_spread(data, trained)
    rows = []
    for panel in panels:
        for contrast in panel.contrasts:
            one = way_difference(data, trained, contrast.chosen, contrast.other, bootstrap, spread)
            rows.append({"panel": panel.name, "key": contrast.key, "words": contrast.words, "difference": one.value,
                         "ci_low": one.low, "ci_high": one.high, "verdict": verdict(one, contrast.lecture)})  # fmt: skip
    return pd.DataFrame(rows)


def sentence(contrasts: pd.DataFrame, panel: str) -> str:
    """Say in words what a panel's contrasts found."""
    parts = [
        f"{row.words}: {row.difference:+.3f} in dev AUC ({row.ci_low:+.3f} to {row.ci_high:+.3f}), "
        f"{row.verdict}"
        for row in contrasts[contrasts["panel"] == panel].itertuples()
    ]
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."
