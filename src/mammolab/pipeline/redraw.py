"""Figures drawn from data alone: chapters save each with a sidecar, from which it is redrawn."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.errors import InputError, MissingInput
from mammolab.files import write_json

Panel = tuple[Callable, pd.DataFrame, dict]


def encode_data(data: pd.DataFrame) -> dict:
    """Turn a small table into JSON-ready columns, rows and types; the index is left behind.

    Floats keep all their digits; NaN, NaT and NA become null.
    """
    types = {}
    columns = []
    for name in data.columns:
        column = data[name]
        kind = str(column.dtype)
        if isinstance(column.dtype, pd.CategoricalDtype):
            categories = [_plain(value) for value in column.cat.categories]
            types[name] = {"categories": categories, "ordered": bool(column.cat.ordered)}
        else:
            types[name] = kind
        columns.append([_plain(value) for value in column])
    return {
        "columns": [str(name) for name in data.columns],
        "types": {str(name): kind for name, kind in types.items()},
        "rows": [list(row) for row in zip(*columns, strict=True)],
    }


def _plain(value: object) -> object:
    """Turn one cell into a JSON value."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else str(value)
    if isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def decode_data(encoded: dict) -> pd.DataFrame:
    """Turn what `encode_data` made back into the table."""
    names = encoded["columns"]
    frame = pd.DataFrame(encoded["rows"], columns=names, dtype=object)
    for name in names:
        kind = encoded["types"][name]
        if isinstance(kind, dict):
            frame[name] = pd.Categorical(frame[name], kind["categories"], kind["ordered"])
        elif kind.startswith("datetime"):
            frame[name] = pd.to_datetime(frame[name], format="ISO8601")
        elif kind != "object":
            frame[name] = frame[name].astype(kind)
    return frame


def plot_name(plot: Callable) -> str:
    """Return "module:function" of a plot, after checking that it can be found again by it."""
    name = f"{plot.__module__}:{plot.__qualname__}"
    if "." in plot.__qualname__ or plot.__module__ == "__main__":
        raise TypeError(f"a plot must be a module-level function, so that it redraws; not {name}")
    return name


def plot_function(name: str) -> Callable:
    """Return the plot called "module:function"."""
    module, function = name.split(":")
    return getattr(importlib.import_module(module), function)


def encode_panels(panels: list[Panel]) -> list[dict]:
    """Turn panels into JSON: plot's name, data and options."""
    return [
        {"plot": plot_name(plot), "data": encode_data(data), "options": options}
        for plot, data, options in panels
    ]


def draw(panels: list[dict], columns: int, size: list[float] | None):
    """Draw a figure from encoded panels.

    Parameters
    ----------
    panels : list of dict
        As `encode_panels` makes them.
    columns : int
        Panels side by side.
    size : list of two floats or None
        Width and height in inches; None fills one column of the paper, or both when panels stand
        side by side.

    Returns
    -------
    matplotlib.figure.Figure
        Closed to pyplot, so that a notebook shows it once.
    """
    import matplotlib.pyplot as plt

    from mammolab.report.style import figure_size

    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    size = size or figure_size("single" if columns == 1 else "double", 0.75 * rows / columns)
    figure, axes = plt.subplots(rows, columns, squeeze=False, figsize=size, layout="constrained")
    for ax, panel in zip(axes.flat, panels, strict=False):
        plot_function(panel["plot"])(ax, decode_data(panel["data"]), **panel["options"])
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    plt.close(figure)
    return figure


def write_figure(folder: Path, sidecar: dict):
    """Draw a figure from its sidecar and write both: <chapter>_<figure>.svg, then .json.

    Parameters
    ----------
    folder : Path
        Where the two files go.
    sidecar : dict
        `chapter`, `figure`, `panels`, `columns`, `size`, and the provenance that goes with them.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from mammolab.report.style import save_svg

    # Drawn from the JSON itself, so that a redrawn figure cannot differ from the first.
    sidecar = json.loads(json.dumps(sidecar, allow_nan=False))
    figure = draw(sidecar["panels"], sidecar["columns"], sidecar["size"])
    stem = f"{sidecar['chapter']}_{sidecar['figure']}"
    save_svg(figure, folder / f"{stem}.svg")
    write_json(folder / f"{stem}.json", sidecar)
    return figure


def redraw(folder: Path) -> list[Path]:
    """Redraw every figure in a folder from its sidecar.

    A figure that shows images is left as it is where the images are not at hand, as in a fresh
    clone: they are no part of a sidecar.

    Returns
    -------
    list of Path
        The SVG files drawn, in order of name.

    Raises
    ------
    InputError
        When the folder holds no sidecar.
    """
    import matplotlib

    from mammolab.report.style import use_style

    matplotlib.use("Agg")
    sidecars = sorted(folder.glob("*.json"))
    if not sidecars:
        raise InputError(f"there are no figures in {folder}: build them with ./run_all.sh first")
    use_style()
    drawn = []
    for path in sidecars:
        try:
            write_figure(folder, json.loads(path.read_text(encoding="utf-8")))
        except MissingInput as missing:
            print(f"{path.stem} is left as it is: {missing}")
            continue
        drawn.append(path.with_suffix(".svg"))
    return drawn
