"""Frames and plots of risk models, from women who never were."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError, MissingInput
from mammolab.evaluate.horizon_calibration import calibration_at_horizon
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.risk_discrimination import auc_over_years, with_and_without
from mammolab.evaluate.risk_grid import risk_grid, typical_exams
from mammolab.evaluate.risk_groups import (
    THIRDS,
    Capture,
    capture_at_ends,
    incidence_by_group,
    quantile_groups,
)
from mammolab.evaluate.risk_subgroups import auc_by_subgroup_and_year
from mammolab.pipeline.redraw import decode_data, encode_data
from mammolab.report import frames_risk, plots_outcome, plots_risk, plots_risk_groups
from mammolab.report.style import style

DECILES = [f"decile {k}" for k in range(1, 11)]


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(1)
    n = 900
    risk = rng.beta(1, 12, n)
    cancer = 5 * rng.exponential(-1 / np.log1p(-risk))
    leaving = rng.uniform(2, 9, n)
    ids = np.char.add("P", np.arange(n).astype(str)).astype(object)
    density = rng.choice(list("abcd"), n).astype(object)
    density[:3] = None
    return {
        "outcome": (np.minimum(cancer, leaving), (cancer <= leaving).astype(int)),
        "rest": (ids, None, PatientBootstrap.draw(ids, 40, seed=1)),
        "scores": {"Image": risk, "Hybrid": np.clip(risk * rng.uniform(0.5, 1.5, n), 0, 1)},
        "density": density,
        "exam_ids": np.char.add("E", np.arange(n).astype(str)).astype(object),
    }


@pytest.fixture(scope="module")
def images(study):
    rows = [
        {"exam_id": exam, "laterality": side, "view": "MLO", "status": "ok", "row": row}
        for row, (exam, side) in enumerate((e, s) for e in study["exam_ids"] for s in "LR")
    ]
    frame = pd.DataFrame(rows)
    frame.loc[frame["exam_id"] == "E1", "status"] = "skipped"
    return frame


@pytest.fixture(scope="module")
def store_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "images.npy"
    np.save(path, np.random.default_rng(1).integers(0, 255, (1800, 32, 26), dtype=np.uint8))
    return str(path)


@pytest.fixture(scope="module")
def grid(study, images):
    thirds = [quantile_groups(score) for score in study["scores"].values()]
    cells = risk_grid(*thirds, THIRDS, THIRDS, *study["outcome"], 5.0, *study["rest"])
    examples = typical_exams(
        *thirds, THIRDS, THIRDS, list(study["scores"].values()), study["exam_ids"]
    )
    return frames_risk.grid_rows(cells, examples, images)


@pytest.fixture(scope="module")
def panels(study, grid, store_path):
    scores, outcome, rest = (study[name] for name in ("scores", "outcome", "rest"))
    calibrations = {
        name: calibration_at_horizon(*outcome, score, 5.0, *rest) for name, score in scores.items()
    }
    captures = {
        name: capture_at_ends(score, *outcome, 5.0, *rest) for name, score in scores.items()
    }
    left_out = (outcome[1] == 1) & (outcome[0] <= 1)
    deciles = quantile_groups(scores["Hybrid"], None, DECILES)
    axes = {"ylabel": "image", "xlabel": "hybrid"}
    one = frames_risk.calibration_rows({"": calibrations["Image"]})
    return [
        (
            plots_risk.auc_by_year,
            auc_over_years(scores, *outcome, [1.0, 2.0, 3.0, 4.0, 5.0], *rest),
            {},
        ),
        (
            plots_risk.exclusion_pairs,
            with_and_without(scores, left_out, *outcome, [5.0], *rest),
            {"note": "9 cancers in the first year"},
        ),
        (
            plots_risk.incidence_by_decile,
            incidence_by_group(deciles, DECILES, *outcome, [1, 2, 3, 4, 5], *rest),
            {"labelled": ["decile 1", "decile 10"], "group_title": "risk"},
        ),
        (
            plots_risk_groups.calibration_deciles,
            frames_risk.calibration_rows(calibrations),
            {"title": "All women", "note": "expected over observed 1.0"},
        ),
        (plots_risk_groups.calibration_deciles, one, {"limits": [0.0, 0.2]}),
        (plots_risk_groups.calibration_deciles, one, {"log": True}),
        (
            plots_risk_groups.capture,
            frames_risk.capture_rows(captures, {"Hybrid": (0.31, 0.03)}),
            {},
        ),
        (plots_risk_groups.risk_grid, grid, {**axes, "store_path": store_path}),
        (plots_risk_groups.risk_grid, grid.drop(columns="image_row"), {**axes, "darkest": 0.3}),
    ]


def draw(plot, data, options):
    with style():
        figure, ax = plt.subplots()
        assert plot(ax, data, **options) is ax
        figure.draw_without_rendering()
        plt.close(figure)
    return ax


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_plots_draw_the_same_from_a_sidecar(panels):
    for plot, data, options in panels:
        before = data.copy()
        first = draw(plot, data, options)
        assert data.equals(before)
        through = json.loads(json.dumps([encode_data(data), options], allow_nan=False))
        second = draw(plot, decode_data(through[0]), through[1])
        assert words(first) == words(second) and len(first.patches) == len(second.patches)
        for one, other in zip(first.lines, second.lines, strict=True):
            np.testing.assert_array_equal(one.get_xydata(), other.get_xydata())
        assert not any("nan" in word for word in words(first))


def test_a_missing_column_is_named(panels):
    for plot, data, options in panels:
        with pytest.raises(InputError, match=f"{plot.__name__} needs the column"):
            draw(plot, data[[]].assign(other=1), options)


def test_the_grid_puts_the_low_risks_below_and_left_and_shades_by_incidence(grid):
    ax = draw(plots_risk_groups.risk_grid, grid, {"ylabel": "", "xlabel": ""})
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(THIRDS)
    lightness = {}
    for patch, cell in zip(ax.patches, grid.itertuples(), strict=True):
        assert patch.get_xy() == (THIRDS.index(cell.column), THIRDS.index(cell.row))
        lightness[cell.row, cell.column] = np.dot(patch.get_facecolor()[:3], (0.3, 0.59, 0.11))
    known = grid.dropna(subset=["incidence"])
    darkest = known.loc[known["incidence"].idxmax()]
    assert lightness[darkest["row"], darkest["column"]] == min(lightness.values())


def test_a_cell_too_small_says_so(grid):
    few = grid.assign(incidence=np.nan, ci_low=np.nan, ci_high=np.nan)
    ax = draw(plots_risk_groups.risk_grid, few, {"ylabel": "", "xlabel": ""})
    assert words(ax).count("too few") == 9


def test_images_that_are_not_there(grid, tmp_path):
    options = {"ylabel": "", "xlabel": "", "store_path": str(tmp_path / "images.npy")}
    with pytest.raises(MissingInput, match="images.npy, which is not there"):
        draw(plots_risk_groups.risk_grid, grid, options)


def test_the_example_of_a_cell_is_its_own_image(study, images, grid):
    thirds = [quantile_groups(score) for score in study["scores"].values()]
    for cell in grid.dropna(subset=["image_row"]).itertuples():
        image = images.iloc[int(cell.image_row)]
        at = int(image["exam_id"][1:])
        assert (thirds[0][at], thirds[1][at]) == (cell.row, cell.column)
        assert (image["laterality"], image["status"]) == ("L", "ok")


def test_grid_rows_without_images(grid):
    cells = grid.drop(columns="image_row")
    assert frames_risk.grid_rows(cells)["image_row"].isna().all()
    examples = pd.DataFrame({"row": ["low"], "column": ["low"], "exam_id": ["E1"]})
    with pytest.raises(InputError, match="table images"):
        frames_risk.grid_rows(cells, examples)


def test_a_skipped_image_leaves_the_cell_without(grid, images):
    examples = grid[["row", "column"]].assign(exam_id="E1")
    shown = frames_risk.grid_rows(grid.drop(columns="image_row"), examples, images)
    assert shown["image_row"].isna().all()


def test_captures_beside_the_published(study):
    one = capture_at_ends(study["scores"]["Image"], *study["outcome"], 5.0, *study["rest"])
    assert isinstance(one, Capture)
    rows = frames_risk.capture_rows({"Image": one}, {"Image": (0.31, 0.03)})
    assert rows["estimate"].tolist() == [one.top.value, one.bottom.value]
    assert rows["published"].tolist() == [0.31, 0.03]
    with pytest.raises(InputError, match="published names Gail; the models are Image"):
        frames_risk.capture_rows({"Image": one}, {"Gail": (0.2, 0.1)})


def test_subgroup_rows_are_what_the_forest_draws(study):
    table = auc_by_subgroup_and_year(
        study["scores"]["Image"], *study["outcome"], [5.0], {"density": study["density"]},
        *study["rest"],
    )  # fmt: skip
    rows = frames_risk.subgroup_rows(table, {"density": "Density"})
    assert rows["subgroup"].tolist() == ["all women", "a", "b", "c", "d", "unknown"]
    assert rows["group"].tolist() == [""] + ["Density"] * 5
    assert "too few" in words(draw(plots_outcome.forest, rows, {}))
    with pytest.raises(InputError, match="no factor age; there are density"):
        frames_risk.subgroup_rows(table, {"age": "Age"})
    with pytest.raises(InputError, match="subgroup all, density=a"):
        frames_risk.subgroup_rows(pd.concat([table, table]), {"density": "Density"})


def test_a_group_without_cancer_stands_at_the_foot_of_a_logarithmic_plot():
    rows = pd.DataFrame(
        {"predicted": [0.01, 0.02], "observed": [0.0, 0.02], "ci_low": [0.0, 0.01]}
    ).assign(ci_high=0.04, n_events=[0, 7])
    ax = draw(plots_risk_groups.calibration_deciles, rows, {"log": True})
    foot = ax.lines[-1].get_xydata()
    assert foot[0, 0] == 0.01 and 0 < foot[0, 1] < 0.01
    assert "cancers: 0 in the lowest group, 7 in the highest" in words(ax)


def test_a_year_without_estimate_is_not_drawn(study):
    left = study["outcome"][0] > 1.5
    rows = auc_over_years(
        {"Image": study["scores"]["Image"][left]}, *(one[left] for one in study["outcome"]),
        [1.0, 3.0, 5.0], study["rest"][0][left], None, study["rest"][2],
    )  # fmt: skip
    ax = draw(plots_risk.auc_by_year, rows, {})
    assert [tick.get_text().split("\n")[0] for tick in ax.get_xticklabels()] == ["3", "5"]
