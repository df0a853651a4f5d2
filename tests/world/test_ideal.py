"""The observer who knows where: hand cases, the observer simulated, pictures drawn."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from mammolab.evaluate.auc_bootstrap import auc_replicates
from mammolab.evaluate.resampling import PatientBootstrap, percentile_interval
from mammolab.evaluate.roc import auc
from mammolab.paths import notebook_path
from mammolab.pipeline import graph
from mammolab.pipeline.notebook import code_cells
from mammolab.world.exam_pixels import exams_of, exams_of_run
from mammolab.world.ideal import cancer_cnr, ideal_auc, ideal_difference
from mammolab.world.percept import measured_log_cnr
from mammolab.world.programme import simulate, write_raw

PICTURE = {"rows": 128, "columns": 104}


@pytest.fixture(scope="module")
def programme():
    return simulate(400, seed=12, p_precancer=1.0, p_rest=0.5)


@pytest.fixture(scope="module")
def cancers(programme):
    """Exams that show a cancer: the objects, and the side of it."""
    shown = programme.truth_lesions.query("malignant").drop_duplicates("exam_id")
    rows = programme.pixels_exams[programme.pixels_exams["exam_id"].isin(shown["exam_id"])].head(8)
    side = shown.set_index("exam_id")["laterality"][rows["exam_id"]]
    return exams_of(rows, programme.truth_lesions), side.tolist()


def estimate(cnr, weight=None):
    ids = [f"P{k}" for k in range(len(cnr))]
    return ideal_auc(cnr, ids, weight, PatientBootstrap.draw(ids, 300, seed=2))


def test_nothing_to_see_is_chance_and_much_to_see_is_perfect():
    assert estimate(np.zeros(9)).value == 0.5
    assert estimate(np.full(9, 40.0)).value == 1.0
    assert np.isnan(estimate(np.zeros(9)).ci).all()  # every replicate repeats it


def test_hand_case_with_weights():
    found = estimate([0.0, np.sqrt(2)], weight=[3.0, 1.0])
    assert found.value == pytest.approx((3 * 0.5 + norm.cdf(1)) / 4)
    assert found.low <= found.value <= found.high


def test_the_observer_simulated_reaches_it():
    rng = np.random.default_rng(5)
    cnr = rng.gamma(2.0, 0.8, 300)
    weight = rng.uniform(1, 3, 300)
    draws = 400
    score = np.concatenate([rng.normal(np.tile(cnr, draws), 1), rng.normal(0, 1, 100_000)])
    label = np.arange(len(score)) < 300 * draws
    weights = np.concatenate([np.tile(weight, draws), np.ones(100_000)])
    # the error of the simulation is below .001
    assert estimate(cnr, weight).value == pytest.approx(auc(score, label, weights), abs=0.004)


def test_the_difference_to_a_score_is_paired():
    rng = np.random.default_rng(6)
    label = np.arange(400) < 60
    ids = np.array([f"P{k // 2}" for k in range(400)])
    cnr = rng.gamma(2.0, 0.8, 60)
    score, weight = rng.normal(0.8 * label), rng.uniform(1, 3, 400)
    order = rng.permutation(400)  # cancers come in any order among the exams
    bootstrap = PatientBootstrap.draw(ids, 300, seed=3)
    places = np.flatnonzero(label[order])
    found = ideal_difference(
        cnr[order[places]], score[order], label[order], ids[order], weight[order], bootstrap
    )
    right = norm.cdf(cnr / np.sqrt(2))
    assert found.value == pytest.approx(
        np.average(right, weights=weight[:60]) - auc(score, label, weight)
    )
    drawn = bootstrap.counts[:, bootstrap.columns(ids[:60])] * weight[:60]
    by_hand = (drawn @ right) / drawn.sum(axis=1)
    by_hand = by_hand - auc_replicates(score, label, ids, weight, bootstrap)
    assert found.ci == pytest.approx(percentile_interval(by_hand), abs=1e-5)


def test_cancers_stand_out_more_with_more_contrast(cancers):
    exams, side = cancers
    assert len(exams) == 8
    faint, usual, strong = (  # above 2 large masses are white already
        cancer_cnr(exams, side, **PICTURE, conspicuity=factor) for factor in (0.5, 1.0, 2.0)
    )
    assert (faint <= usual).all() and (usual <= strong).all() and (faint < strong).any()
    assert estimate(faint).value < estimate(usual).value < estimate(strong).value
    assert (cancer_cnr(exams, side, **PICTURE, conspicuity=0.0) == 0).all()


def test_it_is_the_most_visible_malignant_lesion_of_the_breast(cancers):
    exams, side = cancers
    found = cancer_cnr(exams, side, **PICTURE, conspicuity=4.0)
    for exam, laterality, value in zip(exams, side, found, strict=True):
        view = next(view for view in exam.views() if view.laterality == laterality)
        seen = [
            np.exp(measured_log_cnr(view, one, *PICTURE.values(), 4.0))
            for one in view.lesions
            if one.malignant
        ]
        assert value == pytest.approx(max(seen))
    other = ["R" if one == "L" else "L" for one in side]
    empty = [
        not any(one.malignant for one in (exam.lesions_left if s == "L" else exam.lesions_right))
        for exam, s in zip(exams, other, strict=True)
    ]
    assert any(empty)
    assert (cancer_cnr(exams, other, **PICTURE, conspicuity=4.0)[empty] == 0).all()
    both = cancer_cnr(exams, ["B"] * len(exams), **PICTURE, conspicuity=4.0)
    assert (both >= found).all()


def test_a_run_s_tables_give_back_the_exams_as_they_were_drawn(programme, tmp_path):
    write_raw(programme, tmp_path / "raw", tmp_path / "truth")
    exams = pd.read_csv(tmp_path / "raw/ehr/exams.csv", parse_dates=["exam_date"])
    patients = pd.read_csv(tmp_path / "raw/ehr/patients.csv")
    truth = [
        pd.read_parquet(tmp_path / f"truth/{name}.parquet")
        for name in ("truth_exams", "truth_lesions")
    ]
    wanted = exams[exams["exam_id"].isin(programme.pixels_exams["exam_id"])].iloc[::-1]
    again = exams_of_run(wanted, patients, *truth)
    first = exams_of(
        programme.pixels_exams.assign(extra_marker=False).iloc[::-1], programme.truth_lesions
    )
    assert again == first

    with pytest.raises(ValueError, match="1 of .* first: E999"):
        exams_of_run(pd.concat([wanted, wanted.head(1).assign(exam_id="E999")]), patients, *truth)


def test_bad_input_is_refused(cancers):
    exams, side = cancers
    with pytest.raises(ValueError, match="8 exams have 7 sides"):
        cancer_cnr(exams, side[:7], **PICTURE, conspicuity=4.0)
    with pytest.raises(ValueError, match="unknown laterality 'left'; known: 'L'"):
        cancer_cnr(exams, ["left", *side[1:]], **PICTURE, conspicuity=4.0)
    with pytest.raises(ValueError, match="at least 0"):
        estimate([1.0, -0.2])
    with pytest.raises(ValueError, match="finite"):
        estimate([1.0, np.nan])


@pytest.mark.parametrize("chapter", graph.STAGES)
def test_truth_is_read_after_everything_is_trained_and_scored(chapter):
    """In a chapter that writes predictions, no cell before names the world or its truth."""
    cells = code_cells(notebook_path(chapter))
    reads = [k for k, one in enumerate(cells) if "mammolab.world" in one or "paths.truth" in one]
    writes = [k for k, one in enumerate(cells) if 'chapter.write("predictions' in one]
    if reads and writes:
        assert max(writes) < min(reads)
    if chapter == "04_detection":
        assert reads and writes
