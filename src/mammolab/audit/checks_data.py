"""Checks of how the set was collected and split: ids, sources, metadata, pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from mammolab.audit.alone import alone_auc
from mammolab.audit.columns import LABEL
from mammolab.audit.features import feature_probe
from mammolab.audit.missing import LIMIT, missing_by_label
from mammolab.audit.run import HALFWAY, Check, Finding, Settings, ask
from mammolab.audit.table import AuditTable
from mammolab.errors import InputError
from mammolab.pitfalls.guards_device import device_probe
from mammolab.pitfalls.guards_image import border_probe
from mammolab.pitfalls.guards_metadata import METADATA_TOLERANCE, metadata_auc
from mammolab.pitfalls.guards_prevalence import (
    PREVALENCE_FOLD,
    PREVALENCE_RATIO,
    prevalence,
    prevalence_by_source,
)
from mammolab.pitfalls.guards_split import duplicate_images, image_fingerprint, patient_overlap
from mammolab.pitfalls.verdict import GuardVerdict

SPLIT, SOURCE, PIXELS = "The split", "Where the classes come from", "The pixels"
TOGETHER = ("site", "device", "exam_year")
# What a woman brings along may tell more than her scanner: all her risk factors together reach an
# AUC of 0.67 within five years (Yala 2019, doi:10.1148/radiol.2019182716); one alone is allowed 0.65.
WOMAN_TOLERANCE = 0.65
ALONE = {
    "site": METADATA_TOLERANCE,
    "device": METADATA_TOLERANCE,
    "exam_year": METADATA_TOLERANCE,
    "view": METADATA_TOLERANCE,
    "age_years": WOMAN_TOLERANCE,
    "density": WOMAN_TOLERANCE,
    "implant": METADATA_TOLERANCE,
    "race_ethnicity": METADATA_TOLERANCE,
    "sex": METADATA_TOLERANCE,
}
WORDS = {"exam_year": "the year of the exam", "age_years": "age", "race_ethnicity": "race or ethnicity",
         "implant": "an implant", "view": "the view"}  # fmt: skip
AGE_BAND_YEARS = 5
MAY_BE_BLANK = ("recalled", "age_years", "density", "race_ethnicity", "implant", "site", "device",
                "exam_date", "follow_up_days", "score", "probability")  # fmt: skip
_PROBE_SIDE = 16  # thumbnails are averaged to this for a linear probe


def categories(units: pd.DataFrame, name: str) -> pd.Series:
    """A column as categories, None where unknown: ages in bands of five years, flags yes and no.

    Examples
    --------
    >>> categories(pd.DataFrame({"age_years": [51.2, None]}), "age_years").tolist()
    ['50-54', None]
    """
    values = units[name]
    if name == "age_years":
        low = (values // AGE_BAND_YEARS * AGE_BAND_YEARS).fillna(-1).astype(int)
        text = low.map(lambda age: f"{age}-{age + AGE_BAND_YEARS - 1}")
    elif name == "exam_year":
        text = values.fillna(-1).astype(int).astype(str)
    elif name in ("implant", "recalled"):
        text = values.map({1.0: "yes", 0.0: "no"})
    else:
        text = values
    return text.astype(object).where(values.notna(), None)


def of_labelled(table: AuditTable) -> dict[str, object]:
    """Label, patients and weights of the units whose label is known, as the guards take them."""
    units = table.labelled
    return {
        "label": units[LABEL].to_numpy(),
        "patient_ids": units["patient"].to_numpy(),
        "sample_weight": units["weight"].to_numpy(),
    }


def _overlap(table: AuditTable, settings: Settings, seed: int) -> Finding:
    return Finding(patient_overlap(table.rows["patient"].to_numpy(), table.rows["split"]))


def _duplicates(table: AuditTable, settings: Settings, seed: int) -> Finding:
    rows = table.rows.iloc[table.images.rows]
    prints = image_fingerprint(table.images.thumbnails)
    parted = table.has("split") and rows["split"].nunique() > 1
    split = rows["split"] if parted else None
    return Finding(duplicate_images(prints, rows["patient"].to_numpy(), split))


def _together(table: AuditTable, settings: Settings, seed: int) -> Finding:
    names = tuple(name for name in TOGETHER if table.has(name))
    if len(names) < 2:
        raise InputError(f"{names[0]} is the only one of {', '.join(TOGETHER)}; see it alone")
    return ask(_metadata(table, names), "tolerance", METADATA_TOLERANCE, 0.5, seed)


def _alone(table: AuditTable, settings: Settings, seed: int, name: str) -> Finding:
    if name == "view" and table.row != table.unit:
        raise InputError(f"a view belongs to an image, and the {table.unit} is the unit here")
    units = table.labelled
    interval = alone_auc(
        units[LABEL], categories(units, name), units["patient"], np.random.default_rng(seed),
        units["weight"],
    )  # fmt: skip
    found = ask(_metadata(table, (name,)), "tolerance", ALONE[name], 0.5, seed, interval)
    told = found.verdict.message.replace(
        f"{name} alone tell ", f"{WORDS.get(name, f'the {name}')} alone tells "
    )
    return replace(found, verdict=replace(found.verdict, message=told))


def _metadata(table: AuditTable, names: tuple[str, ...]) -> Callable[..., GuardVerdict]:
    """The guard on these columns, lacking its tolerance and its generator."""
    units = table.labelled
    frame = pd.DataFrame({name: categories(units, name) for name in names})
    return partial(
        metadata_auc, frame.assign(**{table.label: units[LABEL]}), table.label, names,
        units["patient"].to_numpy(), sample_weight=units["weight"],
    )  # fmt: skip


def _by_source(table: AuditTable, settings: Settings, seed: int, name: str) -> Finding:
    source = categories(table.labelled, name)
    guard = partial(prevalence_by_source, source=source, **of_labelled(table))
    return ask(guard, "limit", PREVALENCE_FOLD, 1.0, seed)


def _prevalence(table: AuditTable, settings: Settings, seed: int) -> Finding:
    if settings.prevalence is None:
        raise InputError("this is no screening set, and no --prevalence was given")
    units = table.labelled
    guard = partial(
        prevalence, units[LABEL], settings.prevalence, units["weight"],
        patient_ids=units["patient"].to_numpy(),
    )  # fmt: skip
    verdict = guard(ratio=PREVALENCE_RATIO)
    fold = verdict.statistic / settings.prevalence
    told = verdict.message.replace("the population", settings.population)
    if verdict.fired and fold > 1:
        folds = f"{fold:,.0f}" if fold >= 10 else f"{fold:.1f}"
        told = f"{told} The set is enriched {folds}-fold."
    close = not verdict.fired and guard(ratio=1 + HALFWAY * (PREVALENCE_RATIO - 1)).fired
    return Finding(replace(verdict, message=told), bool(close))


def _missing(table: AuditTable, settings: Settings, seed: int) -> Finding:
    site = "site" if table.has("site") else None
    guard = partial(missing_by_label, table.labelled, LABEL, MAY_BE_BLANK, site)
    return ask(guard, "limit", LIMIT, 0.0)


def _border(table: AuditTable, settings: Settings, seed: int) -> Finding:
    pictures, inputs, _ = _pictures(table)
    return ask(
        partial(border_probe, pictures, **inputs), "tolerance", METADATA_TOLERANCE, 0.5, seed
    )


def _probe(table: AuditTable, settings: Settings, seed: int) -> Finding:
    pictures, inputs, rows = _pictures(table)
    step = pictures.shape[1] // _PROBE_SIDE
    small = pictures.reshape(len(pictures), _PROBE_SIDE, step, _PROBE_SIDE, step).mean(axis=(2, 4))
    guard = partial(device_probe, small.reshape(len(small), -1), rows["device"], **inputs)
    return ask(guard, "tolerance", METADATA_TOLERANCE, 0.5, seed)


def _pictures(table: AuditTable) -> tuple[np.ndarray, dict[str, object], pd.DataFrame]:
    """Thumbnails of the rows whose label is known, what every probe takes, and the rows."""
    rows = table.rows.iloc[table.images.rows]
    known = rows[LABEL].notna().to_numpy()
    rows = rows[known]
    inputs = {
        "label": (rows[LABEL] == 1).to_numpy(),
        "patient_ids": rows["patient"].to_numpy(),
        "sample_weight": rows["weight"].to_numpy(),
    }
    return table.images.thumbnails[known], inputs, rows


def _each(
    names: tuple[str, ...], prefix: str, question: Callable[[str], str], run: Callable, group: str
) -> tuple[Check, ...]:
    return tuple(
        Check(
            prefix + name, question(WORDS.get(name, f"the {name}")), (LABEL, name),
            partial(run, name=name), True, group,
        )
        for name in names
    )  # fmt: skip


CHECKS: tuple[Check, ...] = (
    Check("patient_overlap", "Is every patient in one split only?", ("patient_id", "split"),
          _overlap, False, SPLIT),
    Check("duplicate_images", "Are there copies of an image in two splits, or of two patients?",
          ("images",), _duplicates, False, SPLIT),
    Check("prevalence", "Are positives as frequent as in the population?", (LABEL,),
          _prevalence, True, SOURCE),
    Check("metadata_together", "Do site, device and year together tell the label?",
          (LABEL, "site|device|exam_year"), _together, True, SOURCE),
    *_each(tuple(ALONE), "alone_", lambda word: f"Does {word} alone tell the label?",
           _alone, SOURCE),
    *_each(TOGETHER, "prevalence_by_", lambda word: f"Is the prevalence alike whatever {word}?",
           _by_source, SOURCE),
    Check("missing_by_label", "Is as much known of positives as of the others?", (LABEL,),
          _missing, True, SOURCE),
    Check("border_probe", "Does the border of the image alone tell the label?", (LABEL, "images"),
          _border, True, PIXELS),
    Check("device_probe", "Do the pixels give the device away?", (LABEL, "device", "images"),
          _probe, True, PIXELS),
    Check("feature_probe", "Do the network's features give the device away?",
          (LABEL, "device", "features"), feature_probe, True, PIXELS),
)  # fmt: skip
