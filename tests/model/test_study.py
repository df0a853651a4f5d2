"""The study of training choices: what is held equal, what is kept, what is concluded."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.evaluate.checks import Estimate
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.model import choices, conclusions, study
from mammolab.model.config import TrainingConfig
from mammolab.model.network import NetworkConfig
from mammolab.model.study import StudyData, Trained, Way

LAYOUT = {
    "width": 16, "batch_size": 24, "steps": 16, "points": 4, "learning_rate": 0.002, "threads": 1,
    "crop_px": 32, "initialisation": "formula", "compared_with": ["random"], "shares": [0.5, 1.0],
    "share_steps": 32, "fold": 2, "fold_steps": [4, 16, 24],
}  # fmt: skip


@pytest.fixture(scope="module")
def data(planted) -> StudyData:
    """60 exams of four views: the planted images, a quarter of them with a spot."""
    row = np.arange(240)
    exam = np.array([f"E{number // 4:02d}" for number in row])
    images = pd.DataFrame(
        {
            "image_id": [f"I{number}" for number in row],
            "exam_id": exam,
            "patient_id": [f"P{number // 4:02d}" for number in row],
            "laterality": np.array(["L", "L", "R", "R"])[row % 4],
            "view": np.array(["CC", "MLO", "CC", "MLO"])[row % 4],
            "row": row,
            "status": "ok",
        }
    )
    number = np.arange(60)
    cohort = pd.DataFrame(
        {
            "exam_id": [f"E{n:02d}" for n in number],
            "patient_id": [f"P{n:02d}" for n in number],
            "split": np.where(number % 3 == 0, "dev", "train"),
            "sampling_weight": 1.0,
            "has_pixels": True,
            "cancer_within_1y": number % 2 == 0,
            "cancer_laterality": np.where(number % 2 == 0, "L", ""),
            "recall": True,
        }
    )
    return study.study_data(planted.store, images, cohort, 8, np.random.default_rng(1))


def tiny(**changes) -> Way:
    training = TrainingConfig(8, 8, 2, 1, 1e-3, threads=1, precision="32-true")
    return Way(NetworkConfig(4), training, **changes)


def test_dev_holds_every_cancer_and_some_of_the_others_that_stand_for_all(data):
    assert set(data.dev["exam_id"]) <= {f"E{n:02d}" for n in range(0, 60, 3)}
    assert data.dev["label"].sum() == 10 and (~data.dev["label"]).sum() == 8
    assert data.dev.loc[~data.dev["label"], "weight"].sum() == pytest.approx(10)


def test_every_way_takes_as_many_gradient_steps_or_those_asked_for():
    panels, ways = choices.choice_panels(**LAYOUT)
    assert len(ways) == len(set(ways.values()))  # a way that panels share is trained once
    for name, way in ways.items():
        steps = way.training.epochs * way.training.steps_per_epoch
        wanted = 32 if name.startswith("share") else {1: 4, 2: 16, 4: 24}[way.fold]
        assert steps == wanted, name
        if way.crop_px is None:  # the average spans the same share of each
            assert way.training.average_decay**steps == pytest.approx(0.98**16), name
    named = {name for panel in panels for name in panel.ways.values()}
    assert named == set(ways)
    contrasts = [one for panel in panels for one in panel.contrasts]
    assert {one.chosen for one in contrasts} | {one.other for one in contrasts} <= set(ways)
    sizes = {ways[name].training.batch_size for name in panels[1].ways.values()}
    assert sizes == {2, 4, 10, 16, 24}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"points": 3}, "even"),
        ({"steps": 10}, "divide"),
        ({"steps": 8}, "with steps"),
        ({"fold_steps": [3, 16, 24]}, "multiple of points"),
        ({"fold": 3}, "must be one of 1, 2, 4"),
        ({"batch_size": 12}, "batch_size is 12"),
        ({"shares": [0.0, 1.0]}, "at most 1"),
        ({"compared_with": []}, "must include random"),
    ],
)
def test_a_layout_that_cannot_be_is_refused(change, told):
    with pytest.raises(InputError, match=told):
        choices.choice_panels(**{**LAYOUT, **change})


@pytest.mark.parametrize(
    "way",
    [
        tiny(),
        tiny(fold=2),
        tiny(crop_px=32),
        tiny(share=0.5),
        Way(NetworkConfig(4, views=4), TrainingConfig(4, 4, 2, 1, 1e-3, threads=1)),
    ],
)
def test_each_kind_of_way_scores_every_dev_exam(data, way):
    trained = study.train_way(data, way, seed=3, curve=True)
    assert trained.scores.index.tolist() == data.dev["exam_id"].tolist()
    assert np.isfinite(trained.scores).all()
    assert trained.curve["steps"].tolist() == [1, 2]
    assert trained.curve["dev_auc"].between(0, 1).all()


def test_coarser_images_are_means_of_squares(data):
    store, table = study._prepared(data, 1, 2)
    _, original = study._prepared(data, 1, 1)
    block = data.store[original["row"].iloc[5], 10:12, 20:22].astype(float)
    assert store[table["row"].iloc[5], 5, 10] == pytest.approx(block.mean(), abs=0.51)
    assert store.shape[1:] == (32, 32)


def test_a_smaller_share_of_women_is_part_of_a_larger_one(data):
    _, table = study._prepared(data, 1, 1)
    table = table[table["split"] == "train"]
    few, half = (set(study._women(table, share, 4)["patient_id"]) for share in (0.2, 0.5))
    assert few < half and len(half) == round(0.5 * table["patient_id"].nunique())
    assert few != set(study._women(table, 0.2, 5)["patient_id"])


def test_what_a_killed_run_finished_is_read_and_nothing_else(data, tmp_path, monkeypatch):
    ways, marks = {"one": tiny(), "two": tiny(fold=2)}, {"code_digest": "a"}
    first = study.run_study(data, ways, [1], ["one"], tmp_path, marks)
    calls = []
    monkeypatch.setattr(study, "train_way", lambda *a: calls.append(a) or first["one", 1])
    again = study.run_study(data, ways, [1], ["one"], tmp_path, marks)
    assert not calls
    for key, trained in first.items():
        pd.testing.assert_series_equal(again[key].scores, trained.scores)
        pd.testing.assert_frame_equal(again[key].curve, trained.curve)
    study.run_study(data, ways, [1], ["one"], tmp_path, {"code_digest": "b"})
    assert len(calls) == 2
    study.run_study(data, ways, [2], ["one"], tmp_path, marks)
    assert len(calls) == 4


def fabricated(data: StudyData, rng, gap: float) -> dict[tuple[str, int], Trained]:
    """Scores of a good way and of a worse one, three seeds each."""
    label = data.dev["label"].to_numpy()
    curve = pd.DataFrame({"steps": [1], "loss": [0.7], "dev_auc": [np.nan]})
    return {
        (name, seed): Trained(
            pd.Series(label * strength + rng.standard_normal(len(label)), data.dev["exam_id"]),
            curve, 1.0,
        )
        for name, strength in (("good", 1.0 + gap), ("plain", 1.0))
        for seed in (1, 2, 3)
    }  # fmt: skip


def test_a_planted_difference_is_found_and_none_where_there_is_none():
    n = 600
    dev = pd.DataFrame(
        {"exam_id": [f"E{i}" for i in range(n)], "patient_id": [f"P{i}" for i in range(n)],
         "label": np.arange(n) % 3 == 0, "weight": 1.0}
    )  # fmt: skip
    data = StudyData(np.zeros((1, 2, 2), np.uint8), dev, dev, dev)
    bootstrap = PatientBootstrap.draw(dev["patient_id"], n_replicates=300, seed=1)
    rng = np.random.default_rng(2)
    panel = choices.Panel(
        "p", "P", {"good": "good", "plain": "plain"},
        (choices.Contrast("good_over_plain", "good", "plain", "good against plain"),),
    )  # fmt: skip
    verdicts = {}
    for gap in (1.0, 0.0, -0.9):
        trained = fabricated(data, rng, gap)
        table = conclusions.contrast_table([panel], data, trained, bootstrap)
        verdicts[gap] = table["verdict"].item()
        assert table["ci_low"].item() < table["difference"].item() < table["ci_high"].item()
    assert verdicts == {
        1.0: "as the lecture has it",
        0.0: "no difference that this study could tell",
        -0.9: "against the lecture",
    }
    assert conclusions.sentence(table, "p").startswith("Good against plain: -")
    shown = conclusions.panel_table(panel, data, trained, bootstrap)
    assert shown["seed"].isna().sum() == 2 and len(shown) == 8
    with pytest.raises(InputError, match="no way named 'best'; it has good, plain"):
        study.way_auc(data, trained, "best", bootstrap, study.auc_spread(data, trained))


def test_a_verdict_needs_an_interval_off_zero():
    assert conclusions.verdict(Estimate(0.02, 0.01, 0.03), True) == "as the lecture has it"
    assert conclusions.verdict(Estimate(-0.02, -0.03, -0.01), True) == "against the lecture"
    assert conclusions.verdict(Estimate(-0.02, -0.03, -0.01), False) == "worse"
    assert "could tell" in conclusions.verdict(Estimate(0.02, -0.01, 0.05), True)
