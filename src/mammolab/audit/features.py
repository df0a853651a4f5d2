"""Features of a network, handed in beside a table: do they give the device away?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.audit import columns
from mammolab.audit.columns import LABEL
from mammolab.audit.raw import read_raw
from mammolab.audit.run import Finding, Settings, ask
from mammolab.audit.table import AuditTable
from mammolab.errors import InputError
from mammolab.pitfalls.guards_device import device_probe
from mammolab.pitfalls.guards_metadata import METADATA_TOLERANCE

KEYS = ("image_id", "exam_id")


def with_features(table: AuditTable, path: Path) -> AuditTable:
    """The same table with the features of another file, found by image_id or exam_id.

    Parameters
    ----------
    table : AuditTable
    path : Path
        CSV or Parquet: image_id or exam_id, each id once, and any number of numeric columns, all
        of which are features.

    Raises
    ------
    InputError
        The file lacks an id or features, repeats an id, shares none with the table, or a feature
        is blank or no finite number.
    """
    raw = read_raw(Path(path))
    key = columns.first_present(raw.cells, [one for one in KEYS if one in table.rows])
    names = [name for name in raw.cells if name not in KEYS]
    if not key or not names:
        raise InputError(
            f"{raw.name} needs image_id or exam_id as the table has it, and columns of numbers; it "
            f"has {', '.join(raw.cells.columns[:12])}"
        )
    ids = raw.cells[key]
    again = ids.duplicated()
    if again.any():
        raise InputError(
            f"{raw.name}: column {key} repeats an id, such as {ids[again].iloc[0]}, in "
            f"{int(again.sum()):,} rows; valid: every id once"
        )
    values = raw.cells[names].apply(pd.to_numeric, errors="coerce").astype(float)
    odd = ~np.isfinite(values.to_numpy())
    if odd.any():
        row, column = np.argwhere(odd)[0]
        raise InputError(
            f"{raw.name}: column {names[column]} holds "
            f"{raw.cells[names[column]].iloc[row]!r} for {key} {ids.iloc[row]}; every column but the "
            "id is a feature: valid: finite numbers"
        )
    n_found = int(ids.isin(table.rows[key]).sum())
    if not n_found:
        raise InputError(f"{raw.name}: no {key} of it is in the table {table.files[0][0]}")
    note = f"{len(names):,} features were found for {n_found:,} of {len(ids):,} ids, by {key}."
    return replace(
        table,
        features=values.set_index(pd.Index(ids.to_numpy(object), name=key)),
        notes=(*table.notes, note),
        files=(*table.files, (raw.name, raw.sha256)),
    )


def feature_probe(table: AuditTable, settings: Settings, seed: int) -> Finding:
    """Ask `device_probe` of the features of units, or images, whose label and device are known."""
    key = table.features.index.name
    rows = table.labelled if key == "exam_id" else table.rows[table.rows[LABEL].notna()]
    rows = rows[rows[key].isin(table.features.index) & rows["device"].notna()]
    if "included" in rows:
        rows = rows[rows["included"] != 0]
    rows = rows.drop_duplicates(key)
    guard = partial(
        device_probe,
        table.features.loc[rows[key]].to_numpy(),
        rows["device"].to_numpy(),
        (rows[LABEL] == 1).to_numpy(),
        rows["patient"].to_numpy(),
        sample_weight=rows["weight"].to_numpy(),
    )
    return ask(guard, "tolerance", METADATA_TOLERANCE, 0.5, seed)
