"""Every plot draws from data and options alone, and says what it lacks."""

import json

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from mammolab.errors import InputError, MissingInput
from mammolab.evaluate.promises import promise_table
from mammolab.pipeline.redraw import decode_data, encode_data
from mammolab.report import (
    plots_calibration,
    plots_cohort,
    plots_detection,
    plots_explain,
    plots_flow,
    plots_model,
    plots_outcome,
    plots_pathways,
    plots_subgroups,
    plots_triage,
)
from mammolab.report.numbers import required_figures


@pytest.fixture(scope="module")
def figures(fabricate, tmp_path_factory):
    return fabricate.figures(fabricate.store(tmp_path_factory.mktemp("store") / "images.npy"))


def axes():
    figure, ax = plt.subplots()
    plt.close(figure)
    return ax


def test_the_paper_shows_the_figures_that_are_tested(figures):
    from mammolab.paths import repository_root

    source = (repository_root() / "paper" / "paper.typ").read_text()
    assert required_figures(source) == set(figures)


def test_plots_return_their_axes_and_change_nothing(fabricate, figures):
    for name, (size, columns, panels) in figures.items():
        before = [data.copy() for _, data, _ in panels]
        settings, open_figures = dict(mpl.rcParams), plt.get_fignums()
        fabricate.draw(size, columns, panels)  # asserts that each plot returns its axes
        assert dict(mpl.rcParams) == settings, name
        assert plt.get_fignums() == open_figures, name
        for old, (_, data, _) in zip(before, panels, strict=True):
            assert old.equals(data), name


def test_plots_draw_the_same_from_a_sidecar(figures):
    """Data and options that went through JSON give the same marks and words."""
    for name, (_, _, panels) in figures.items():
        for plot, data, options in panels:
            through = json.loads(json.dumps([encode_data(data), options], allow_nan=False))
            first, second = axes(), axes()
            plot(first, data, **options)
            plot(second, decode_data(through[0]), **through[1])
            assert [t.get_text() for t in first.texts] == [t.get_text() for t in second.texts], name
            for one, other in zip(first.lines, second.lines, strict=True):
                np.testing.assert_array_equal(one.get_xydata(), other.get_xydata(), name)


def test_a_missing_column_is_named(figures):
    for _, _, panels in figures.values():
        plot, data, options = panels[0]
        with pytest.raises(InputError, match=rf"{plot.__name__} needs the column"):
            plot(axes(), data[[]].assign(other=1), **options)


def test_empty_data_are_refused(fabricate):
    with pytest.raises(InputError, match="no rows"):
        plots_model.roc(axes(), fabricate.roc().iloc[:0])


def test_a_target_outside_its_band_changes_colour(fabricate):
    data = fabricate.world_targets()
    ax = plots_cohort.world_targets(axes(), data)
    dots = [line for line in ax.lines if line.get_marker() in "o<>" and len(line.get_xdata()) == 1]
    at = np.array([dot.get_xdata()[0] for dot in dots])
    colours = [dot.get_color() for dot in dots]
    inside = (data["value"] >= data["target_low"]) & (data["value"] <= data["target_high"])
    assert (np.abs(at) <= 1).tolist() == inside.tolist()
    assert len({c for c, i in zip(colours, inside, strict=True) if i}) == 1
    assert not {c for c, i in zip(colours, inside, strict=True) if i} & {
        c for c, i in zip(colours, inside, strict=True) if not i
    }


def test_the_flow_must_add_up(fabricate):
    flow = fabricate.flow()
    plots_flow.cohort_flow(axes(), flow)
    flow.loc[2, "n_removed_exams"] += 1
    with pytest.raises(InputError, match=r"does not add up at step\(s\) age"):
        plots_flow.cohort_flow(axes(), flow)


def test_the_contact_sheet_shows_the_store(fabricate, tmp_path):
    path = fabricate.store(tmp_path / "images.npy")
    ax = plots_cohort.contact_sheet(
        axes(), fabricate.contact(), store_path=str(path), columns=4, tile_pixels=256
    )
    sheet = np.asarray(ax.images[0].get_array())
    image = np.load(path)[5]  # second row of tiles, second column
    assert any(
        np.array_equal(sheet[top : top + 256, left : left + 208], image)
        for left in range(208, 240)
        for top in range(256, 400)
    )


def test_a_map_lies_over_its_image_with_its_outline_and_peak(fabricate, tmp_path):
    path = fabricate.store(tmp_path / "images.npy")
    data = fabricate.overlays()
    ax = plots_explain.overlay_sheet(axes(), data, store_path=str(path), columns=3)
    plain, below, over = ax.images[0], ax.images[1], ax.images[2]
    store = np.load(path)
    np.testing.assert_array_equal(below.get_array(), store[0])
    np.testing.assert_array_equal(over.get_array(), store[1])
    assert below.get_extent() == over.get_extent() != plain.get_extent()
    left, _, _, top = below.get_extent()
    assert len(ax.patches) == 2 and ax.patches[0].radius == 12
    assert ax.patches[0].center == (left + 0.5 + 0, top + 0.5 + 100)
    crosses = [line.get_xydata()[0] for line in ax.lines]
    np.testing.assert_allclose(crosses[0], (left + 0.5 + 9, top + 0.5 + 104))
    # What draws no attention is clear, and more attention never covers less.
    alpha = plots_explain.HEAT(np.linspace(0, 1, 256))[:, 3]
    assert alpha[0] == 0 and (np.diff(alpha) >= 0).all() and alpha[-1] < 1
    with pytest.raises(MissingInput, match="shows images of .*nowhere.npy"):
        plots_explain.overlay_sheet(axes(), data, str(tmp_path / "nowhere.npy"), 3)


def test_each_share_is_drawn_once_with_its_chance(fabricate):
    data = fabricate.shares()
    ax = plots_explain.shares_by_group(axes(), data)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["all", "mass"]
    dots = [
        line.get_xdata()[0]
        for line in ax.lines
        if line.get_marker() == "o" and len(line.get_xdata()) == 1
    ]
    np.testing.assert_allclose(dots, data["estimate"])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "Grad-CAM",
        "occlusion",
        "chance",
    ]


def test_score_rows_keep_their_total(fabricate):
    data = fabricate.percentiles()
    ax = plots_triage.score_percentiles(axes(), data, threshold_percentile=20)
    written = " ".join(text.get_text() for text in ax.texts)
    for _, rows in data.groupby("group"):
        assert f"{rows['weight'].sum():,.0f}" in written


def test_the_margin_is_drawn_for_its_measure_only(fabricate):
    ax = plots_triage.noninferiority(axes(), fabricate.differences(), margin=0.05)
    assert len(ax.collections) == 1
    ax = plots_triage.noninferiority(
        axes(), fabricate.differences(), 0.05, margin_measures=["sensitivity", "specificity"]
    )
    assert len(ax.collections) == 2


def test_a_bin_without_events_is_drawn_at_the_foot(fabricate):
    data = fabricate.reliability()
    ax = plots_calibration.reliability(axes(), data)
    assert (data["observed"] == 0).sum() == 1
    triangles = [line for line in ax.lines if line.get_marker() == "v" and len(line.get_xdata())]
    assert len(triangles) == 1
    assert ax.get_ylim()[0] <= triangles[0].get_ydata()[0] < 2 * ax.get_ylim()[0]


def test_every_subgroup_is_written(fabricate):
    data = fabricate.subgroups()
    ax = plots_outcome.forest(axes(), data)
    assert [label.get_text() for label in ax.get_yticklabels()] == data["subgroup"].tolist()
    words = {text.get_text() for text in ax.texts}
    assert set(data["group"]) - {""} <= words


def test_counts_in_words_replace_numbers(fabricate):
    data = fabricate.subgroup_changes()
    ax = plots_outcome.forest(
        axes(), data, percent=True, unit="points", count_head="lost of caught", label_rows=False
    )
    words = {text.get_text() for text in ax.texts}
    assert set(data["count"]) | {"lost of caught"} <= words
    assert not set(data["group"]) - {""} & words  # named by the panel to the left
    assert ax.get_xlabel() == "AUC (points)"


def test_gaps_show_what_survives_and_what_could_have_shown(fabricate):
    data = fabricate.subgroup_gaps()
    ax = plots_subgroups.gaps(axes(), data, limits=(-0.4, 0.2))
    told = data[data["gap"].notna()]
    bars = [patch.get_width() for patch in ax.patches]
    np.testing.assert_allclose(bars, -told["detectable_gap"])
    filled = [
        line.get_xdata()[0]
        for line in ax.lines
        if line.get_marker() == "s" and line.get_markerfacecolor() != "white"
    ]
    assert filled == told.loc[told["survives"], "gap"].tolist() == [-0.2]
    past = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "<"]
    assert past == [-0.4] * (told["simultaneous_low"] < -0.4).sum()
    words = [text.get_text() for text in ax.texts]
    assert words.count("too few") == 1


def test_gaps_name_the_columns_they_lack(fabricate):
    with pytest.raises(InputError, match="gaps needs the column.s. survives"):
        plots_subgroups.gaps(axes(), fabricate.subgroup_gaps().drop(columns="survives"))


def test_an_unknown_role_is_named(fabricate):
    with pytest.raises(InputError, match="no role roof; roles are ceiling, model, floor"):
        plots_detection.auc_ladder(axes(), fabricate.ladder().replace("ceiling", "roof"))


def test_an_observer_without_an_interval_is_still_drawn(fabricate):
    data = fabricate.ladder()
    ax = plots_detection.auc_ladder(axes(), data)
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() not in ("None", "")]
    np.testing.assert_array_equal(dots, data["estimate"])
    assert [text.get_text() for text in ax.texts][1:][-1] == "0.56"


def test_the_thin_line_of_a_rule_spans_the_repetitions(fabricate):
    data = fabricate.rules()
    ax = plots_pathways.rule_outcomes(axes(), data, note="9 women")
    thin = [line.get_xdata().tolist() for line in ax.lines if line.get_linewidth() == 0.9]
    for row in data.itertuples():
        assert [row.replayed_low, row.replayed_high] in thin
    assert ax.get_xlabel().endswith("9 women")


def test_promises_are_drawn_by_how_many_cancers_are_let_go():
    table = promise_table([0.9, 0.95], [0, 1])
    ax = plots_pathways.promise_lines(axes(), table, 158, 0.97, confidence=0.9)
    curves = [list(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2][:2]
    assert curves[0] == table.loc[table["n_missed"] == 0, "n_cancers"].tolist()
    assert "90%" in ax.get_ylabel()
    without = plots_pathways.promise_lines(axes(), table, 158, np.nan)
    assert len(without.lines) == len(ax.lines) - 1


def test_the_margin_of_pathways_stands_in_points(fabricate):
    readings = {"rule out": "851", "second reader": "1,000"}
    ax = plots_pathways.pathway_changes(axes(), fabricate.changes(), readings, margin=0.05)
    assert any(list(line.get_xdata()) == [-5.0, -5.0] for line in ax.lines)
    assert {"851", "1,000"} <= {text.get_text() for text in ax.texts}


def test_each_order_of_each_clinic_is_written(fabricate):
    data = fabricate.turnaround()
    ax = plots_pathways.worklist_turnaround(axes(), data)
    words = [text.get_text() for text in ax.texts]
    assert set(data["clinic"]) <= set(words)
    assert sum("(" in word for word in words) == len(data)


def test_a_shift_that_cannot_be_computed_draws_no_line(fabricate):
    with_it = plots_pathways.criterion_change(axes(), fabricate.moved(), 0.06)
    without = plots_pathways.criterion_change(axes(), fabricate.moved(), None)
    assert len(with_it.lines) == len(without.lines) + 1


def test_net_benefit_is_counted_per_thousand(fabricate):
    data = fabricate.benefits()
    ax = plots_pathways.net_benefit_curves(axes(), data)
    readers = data[data["curve"] == "readers"]
    drawn = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) == len(readers)]
    assert any(np.allclose(one, 1000 * readers["value"]) for one in drawn)
