"""Frames and plots of a reader study, from an invented one."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.double_reading import double_reading
from mammolab.evaluate.reader_triage import triage_panel
from mammolab.evaluate.readers import compare_with_readers
from mammolab.pipeline.redraw import decode_data, encode_data
from mammolab.report import frames_reader_study as frames
from mammolab.report import plots_reader_study as plots
from mammolab.report.style import style


@pytest.fixture(scope="module")
def study():
    """Readings of five readers and a system, and triage as the study has it and reweighted."""
    rng = np.random.default_rng(1)
    label = np.arange(200) < 40
    pom = rng.random((200, 5)) * 0.6 + 0.3 * label[:, None]
    score = rng.random(200) + 0.5 * label
    recall, out = pom > 0.5, score < 0.55
    return {
        "label": label,
        "against": {"AI_a_net_POM": compare_with_readers(score, pom, label)},
        "naive": triage_panel(recall, out, label, 0.2),
        "screening": triage_panel(recall, out, label, 0.006),
        "nobody": triage_panel(recall, np.zeros(200, bool), label, 0.006),
        "double": double_reading(recall, score > 1, label, 0.006),
    }


@pytest.fixture
def panels(study):
    under = {"recalling 8%": study["screening"], "POM of 2% or more": study["nobody"]}
    caught = dict.fromkeys(under, 20)
    return {
        plots.panel_aucs: (frames.auc_rows(study["against"]), {"note": "40 cancers"}),
        plots.enrichment: (frames.enrichment_rows(study["naive"], study["screening"]), {}),
        plots.reader_shifts: (frames.shift_rows(study["screening"]), {"note": "5 readers"}),
        plots.by_criterion: (
            frames.criterion_rows(under, caught),
            {"margin": 0.05, "main": "recalling 8%", "title": "Otherwise"},
        ),
    }


def draw(plot, data, options):
    with style():
        figure, ax = plt.subplots()
        assert plot(ax, data, **options) is ax
        figure.draw_without_rendering()
        plt.close(figure)
    return ax


def test_plots_draw_the_same_from_a_sidecar(panels):
    for plot, (data, options) in panels.items():
        before = data.copy()
        first = draw(plot, data, options)
        assert data.equals(before)
        through = json.loads(json.dumps([encode_data(data), options], allow_nan=False))
        second = draw(plot, decode_data(through[0]), through[1])
        assert [t.get_text() for t in first.texts] == [t.get_text() for t in second.texts]
        for one, other in zip(first.lines, second.lines, strict=True):
            np.testing.assert_array_equal(one.get_xydata(), other.get_xydata())


def test_a_missing_column_is_named(panels):
    for plot, (data, options) in panels.items():
        with pytest.raises(InputError, match=f"{plot.__name__} needs the column"):
            draw(plot, data[[]].assign(other=1), options)


def test_what_is_written_is_what_was_estimated(study):
    rows = frames.enrichment_rows(study["naive"], study["screening"]).set_index("quantity")
    assert rows.loc["exams with cancer", ["naive", "reweighted"]].tolist() == [0.2, 0.006]
    assert rows.loc["PPV, with", "reweighted"] == study["screening"].ppv_with.value
    assert rows.loc["PPV, with", "naive_low"] == study["naive"].ppv_with.low
    aucs = frames.auc_rows(study["against"])
    assert aucs["kind"].tolist() == ["reader"] * 5 + ["mean", "system"]
    assert aucs["name"].iloc[-1] == "a net"
    shifts = frames.shift_rows(study["screening"])
    means = shifts[shifts["kind"] == "mean"].set_index("setting")
    assert means.loc["with", "sensitivity"] == study["screening"].sensitivity_with.value
    readers = shifts[(shifts["kind"] == "reader") & (shifts["setting"] == "with")]
    assert readers["sensitivity"].mean() == pytest.approx(means.loc["with", "sensitivity"])
    table = frames.triage_table({("AI_a_net_POM", "minimum"): study["screening"]})
    assert table["cancers ruled out"].tolist() == [study["screening"].n_cancers_ruled_out]
    assert len(frames.double_reading_table(study["double"])) == 7
    known = frames.reported(study["naive"], study["screening"])
    assert known["ppv_with_naive"] == study["naive"].ppv_with
    assert known["sensitivity_difference"] == study["screening"].sensitivity_difference
    both = frames.auc_table(study["against"], study["against"])
    assert both["AUC, exams"].tolist() == both["AUC, breasts"].tolist()


def test_nobody_ruled_out_is_said(study):
    rows = frames.enrichment_rows(study["nobody"], study["nobody"])
    words = [text.get_text() for text in draw(plots.enrichment, rows, {}).texts]
    assert words.count("nobody") == 4 and not any("nan" in word for word in words)


def test_no_minus_nothing():
    from mammolab.evaluate.checks import Estimate

    assert frames.in_words(Estimate(-0.02, -0.15, -0.0001)) == "−2.0 (−15.0 to 0.0)"
