"""Baselines: planted differences are found, chance stays chance, patients stay together."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from mammolab.errors import InputError
from mammolab.evaluate.roc import auc
from mammolab.model import baselines
from mammolab.model.baselines import (
    LogisticBaseline,
    baseline_designs,
    baseline_scores,
    training_exams,
)

SHAPE = (64, 52)


def exams(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    density = rng.choice(["a", "b", "c", "d"], n).astype(object)
    density[::9] = None
    return pd.DataFrame(
        {
            "exam_id": [f"E{seed}{k:03d}" for k in range(n)],
            "patient_id": [f"P{seed}{k // 2:03d}" for k in range(n)],
            "age_years": rng.uniform(40, 75, n),
            "density": density,
            "cancer_within_1y": np.arange(n) % 4 == 0,
            "sampling_weight": np.where(np.arange(n) % 4 == 0, 1.0, 20.0),
        }
    )


def pictures(frame: pd.DataFrame, blob: float, seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Two views an exam; one of those with cancer has a brighter blob."""
    rng = np.random.default_rng(seed)
    store = np.zeros((2 * len(frame), *SHAPE), np.uint8)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    inside = (y - 32) ** 2 + (1.2 * x) ** 2 < 30**2
    for number, cancer in enumerate(np.repeat(frame["cancer_within_1y"], 2)):
        grey = rng.normal(90, 10, SHAPE)
        if cancer and number % 2:
            row, column = rng.integers(24, 40), rng.integers(6, 14)
            grey += blob * ((y - row) ** 2 + (x - column) ** 2 <= 9)
        store[number][inside] = np.clip(grey, 30, 255)[inside]
    images = pd.DataFrame({"exam_id": np.repeat(frame["exam_id"], 2), "row": np.arange(len(store))})
    return store, images


def scored(blob: float, shuffled: bool = False) -> dict[str, float]:
    train, test = exams(160, 1), exams(160, 2)
    both = pd.concat([train, test], ignore_index=True)
    store, images = pictures(both, blob, seed=3)
    if shuffled:  # the blobs stay where they are
        for number, frame in enumerate((train, test)):
            order = np.random.default_rng(number).permutation(len(frame))
            answer = ["cancer_within_1y", "sampling_weight"]
            frame[answer] = frame[answer].to_numpy()[order]
            frame["cancer_within_1y"] = frame["cancer_within_1y"].astype(bool)
    scores = baseline_scores(train, test, store, images)
    label, weight = test["cancer_within_1y"], test["sampling_weight"]
    return {name: auc(score, label, weight) for name, score in scores.items()}


def test_brighter_blobs_are_found_by_texture_alone():
    found = scored(blob=45)
    assert found["texture"] > 0.85
    # 40 cancers: chance has a standard error of .05
    assert found["age"] == pytest.approx(0.5, abs=0.16)
    assert found["density"] == pytest.approx(0.5, abs=0.16)


def test_without_a_blob_or_with_shuffled_labels_texture_is_chance():
    assert scored(blob=0)["texture"] == pytest.approx(0.5, abs=0.16)
    assert scored(blob=45, shuffled=True)["texture"] == pytest.approx(0.5, abs=0.16)


def test_age_and_density_are_found_where_they_tell():
    frame = exams(2000, 5)
    cancer = frame["cancer_within_1y"].to_numpy()
    frame.loc[cancer, "age_years"] += 8
    frame.loc[cancer & (frame.index % 8 == 0), "density"] = "d"
    designs = baseline_designs(frame, pd.DataFrame(index=frame["exam_id"]))
    assert list(designs["density"]) == ["a", "b", "c", "d", "unknown"]
    assert (designs["density"].sum(axis=1) == 1).all()
    for name in ("age", "density"):
        model = LogisticBaseline.fit(
            designs[name], cancer, frame["patient_id"], frame["sampling_weight"]
        )
        assert auc(model.score(designs[name]), cancer, frame["sampling_weight"]) > 0.6
    assert model.weights[model.columns.index("d")] > 0


def test_weight_two_is_an_exam_twice_and_units_do_not_matter():
    frame = exams(120, 6)
    frame.loc[frame["cancer_within_1y"], "age_years"] += 5
    design = frame[["age_years"]]
    label, ids = frame["cancer_within_1y"], frame["patient_id"]
    weight = np.arange(120) % 3 + 1
    twice = np.repeat(np.arange(120), weight)
    one = LogisticBaseline.fit(design, label, ids, weight, penalties=(0.1,))
    many = LogisticBaseline.fit(
        design.iloc[twice], label.iloc[twice], ids.iloc[twice], None, penalties=(0.1,)
    )
    months = LogisticBaseline.fit(design * 12, label, ids, weight, penalties=(0.1,))
    np.testing.assert_allclose(one.score(design), many.score(design), atol=1e-4)
    np.testing.assert_allclose(one.score(design), months.score(design * 12), atol=1e-4)


def test_no_patient_is_fitted_on_and_left_out_at_once(monkeypatch):
    seen = []

    class Watched(StratifiedGroupKFold):
        def split(self, values, label, groups):
            for fitted, left_out in super().split(values, label, groups):
                seen.append((set(groups[fitted]), set(groups[left_out])))
                yield fitted, left_out

    monkeypatch.setattr(baselines, "StratifiedGroupKFold", Watched)
    frame = exams(80, 7)
    LogisticBaseline.fit(frame[["age_years"]], frame["cancer_within_1y"], frame["patient_id"])
    assert len(seen) == baselines.N_FOLDS
    assert not any(fitted & left_out for fitted, left_out in seen)


def test_noise_is_shrunk_and_a_signal_is_not():
    rng = np.random.default_rng(8)
    label = np.arange(300) % 3 == 0
    ids = np.array([f"P{k}" for k in range(300)])
    noise = pd.DataFrame(rng.normal(size=(300, 40))).add_prefix("x")
    signal = noise.assign(x0=noise["x0"] + 2 * label)
    chosen = [LogisticBaseline.fit(one, label, ids).inverse_penalty for one in (noise, signal)]
    assert chosen[0] < chosen[1]


def test_training_exams_stand_for_all_of_train():
    frame = exams(200, 9).assign(split=["train", "train", "dev", "test"] * 50)
    frame["cancer_within_1y"] = np.arange(200) % 16 == 0
    frame["sampling_weight"] = np.where(frame["cancer_within_1y"], 1.0, 20.0)
    kept = training_exams(frame, frame["exam_id"].iloc[:180], 30, np.random.default_rng(1))
    pool = frame[(frame["split"] == "train") & frame["exam_id"].isin(frame["exam_id"].iloc[:180])]
    assert set(kept["split"]) == {"train"}
    assert kept["cancer_within_1y"].sum() == pool["cancer_within_1y"].sum()
    assert (~kept["cancer_within_1y"]).sum() == 30
    assert kept["sampling_weight"].sum() == pytest.approx(pool["sampling_weight"].sum())
    everyone = training_exams(frame, frame["exam_id"], 10**6, np.random.default_rng(1))
    pd.testing.assert_frame_equal(everyone, frame[frame["split"] == "train"])


def test_bad_input_is_refused_in_one_sentence():
    frame = exams(40, 10)
    design, ids = frame[["age_years"]], frame["patient_id"]
    with pytest.raises(InputError, match="of 40 training exams 0 have it"):
        LogisticBaseline.fit(design, np.zeros(40, bool), ids)
    with pytest.raises(InputError, match="training exams hold 1 and 19"):
        LogisticBaseline.fit(design, ids == ids[0], ids)
    with pytest.raises(InputError, match="1 of 40 exams lack a value of age_years"):
        LogisticBaseline.fit(
            design.mask(design.index.to_numpy()[:, None] == 3), frame["cancer_within_1y"], ids
        )
    model = LogisticBaseline.fit(design, frame["cancer_within_1y"], ids)
    with pytest.raises(InputError, match="lack the column\\(s\\) age_years; there are density"):
        model.score(frame[["density"]])
    texture = pd.DataFrame(index=frame["exam_id"].iloc[1:])
    with pytest.raises(InputError, match="1 of 40 exams have no texture, first: E10000"):
        baseline_designs(frame, texture)
    with pytest.raises(InputError, match="density e is none of a, b, c, d"):
        baseline_designs(frame.assign(density="e"), texture)
    with pytest.raises(InputError, match="training exams lack the column\\(s\\) sampling_weight"):
        baseline_scores(
            frame.drop(columns="sampling_weight"), frame, np.zeros((1, *SHAPE)), pd.DataFrame()
        )
