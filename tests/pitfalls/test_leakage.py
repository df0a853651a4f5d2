"""With random labels only a leak can be found, and it is."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.failure import dose_response
from mammolab.pitfalls.leakage import (
    DUPLICATES_ACROSS_SPLITS,
    PATIENTS_ACROSS_SPLITS,
    appearance,
    duplicates_across_splits,
    near_copies,
    patients_across_splits,
    pictures_of_women,
)

N_WOMEN = 80


def pictures(seed: int, n: int = N_WOMEN) -> np.ndarray:
    """Smooth random pictures, each unlike the others."""
    coarse = np.random.default_rng(seed).uniform(20, 220, (n, 6, 5))
    return np.kron(coarse, np.ones((8, 8))).astype(np.uint8)


def features(likeness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four pictures a woman, whose features share `likeness` of their standard deviation."""
    rng = np.random.default_rng(seed)
    woman = np.repeat(np.arange(N_WOMEN), 4)
    own = rng.normal(size=(N_WOMEN, 30))[woman]
    noise = rng.normal(size=(len(woman), 30))
    ids = np.array([f"P{k}" for k in woman], dtype=object)
    return likeness * own + (1 - likeness) * noise, ids


def split_by_image(dose, likeness=0.8, seed=1, **options):
    return patients_across_splits(*features(likeness), np.random.default_rng(seed), dose, **options)


class TestPatients:
    def test_split_by_woman_finds_nothing(self):
        outcome = split_by_image(0.0)
        assert outcome.reported == outcome.repaired
        assert outcome.reported.value == pytest.approx(0.5, abs=0.03)
        assert outcome.reported.low < outcome.true.value == 0.5 < outcome.reported.high
        assert not outcome.guard.fired

    def test_split_by_image_recognises_the_woman(self):
        outcome = split_by_image(1.0)
        assert outcome.reported.value > 0.95
        assert outcome.reported.low > outcome.true.high
        assert outcome.guard.fired
        assert outcome.guard.statistic == pytest.approx(0.5)  # the test women, of all

    def test_pictures_without_likeness_leak_nothing(self):
        outcome = split_by_image(1.0, likeness=0.0)
        assert outcome.reported.value == pytest.approx(0.5, abs=0.03)
        assert outcome.guard.fired  # she is in both, whether or not a learner sees it

    def test_dose_by_dose_from_one_stream(self):
        generator = np.random.default_rng(1)
        curve = dose_response(
            PATIENTS_ACROSS_SPLITS,
            lambda dose: patients_across_splits(*features(0.8), generator, dose),
        )
        assert (curve["reported"].diff().dropna() > 0).all()
        assert curve["repaired"].nunique() == 1
        assert list(curve["guard_fired"]) == [False, True, True, True, True]
        assert split_by_image(0.75).reported.value == curve["reported"][3]

    def test_order_of_pictures_does_not_matter(self):
        values, ids = features(0.8)
        order = np.argsort(np.tile(np.arange(4), N_WOMEN), kind="stable")
        shuffled = patients_across_splits(values[order], ids[order], np.random.default_rng(1), 1.0)
        assert shuffled.reported.value == pytest.approx(
            split_by_image(1.0).reported.value, abs=0.02
        )

    def test_refusals(self):
        values, ids = features(0.8)
        rng = np.random.default_rng(2)
        with pytest.raises(InputError, match="P0 .*one picture"):
            patients_across_splits(values[3:], ids[3:], rng, 1.0)
        with pytest.raises(InputError, match="too few"):
            patients_across_splits(values[:20], ids[:20], rng, 1.0)
        with pytest.raises(InputError, match="dose"):
            patients_across_splits(values, ids, rng, 1.5)


class TestDuplicates:
    ids = np.array([f"P{k}" for k in range(N_WOMEN)], dtype=object)

    def at(self, dose, seed=3):
        return duplicates_across_splits(
            pictures(0), self.ids, np.random.default_rng(seed), dose, factor=4
        )

    def test_without_copies_nothing_is_found(self):
        outcome = self.at(0.0)
        assert outcome.reported == outcome.repaired
        assert outcome.reported.low < 0.5 < outcome.reported.high
        assert not outcome.guard.fired

    def test_copies_are_recognised_by_learner_and_guard(self):
        outcome = self.at(1.0)
        assert outcome.reported.value > 0.9
        assert outcome.guard.fired

    def test_dose_by_dose(self):
        curve = dose_response(DUPLICATES_ACROSS_SPLITS, self.at)
        assert (curve["reported"].diff().dropna() > 0).all()
        assert list(curve["guard_fired"]) == [False, True, True, True, True]
        assert (curve["guard_statistic"].diff().dropna() > 0).all()

    def test_refusals(self):
        rng = np.random.default_rng(4)
        with pytest.raises(InputError, match="several pictures"):
            duplicates_across_splits(pictures(0), np.append(self.ids[1:], "P1"), rng, 1.0)
        with pytest.raises(InputError, match="too few"):
            duplicates_across_splits(pictures(0)[:6], self.ids[:6], rng, 1.0)


def test_a_copy_is_near_and_not_the_same():
    images = pictures(5)
    copies = near_copies(images, np.random.default_rng(6))
    assert copies.dtype == np.uint8
    assert copies.shape == images.shape
    assert (copies != images).any(axis=(1, 2)).all()
    flat = [pile.reshape(len(pile), -1) for pile in (copies, images)]
    alike = np.corrcoef(*flat)[: len(copies), len(copies) :]  # (copies, images)
    np.testing.assert_array_equal(alike.argmax(axis=1), np.arange(len(images)))
    assert np.diag(alike).min() > 0.7


def test_appearance_is_the_root_of_the_means():
    store = np.zeros((2, 4, 4), np.uint8)
    store[1, :2, :2] = 100
    np.testing.assert_allclose(appearance(store, [1, 0], 2), [[10, 0, 0, 0], [0, 0, 0, 0]])


def test_women_come_with_the_pictures_of_one_exam():
    images = pd.DataFrame(
        {
            "patient_id": ["A"] * 6 + ["B"] * 2 + ["C"] + ["D"] * 3,
            "exam_id": ["A1"] * 2 + ["A2"] * 4 + ["B1"] * 2 + ["C1"] + ["D1"] * 3,
            "row": pd.array([5, 4, 0, 1, 2, 3, 6, None, 7, 8, 9, 10], dtype="Int64"),
        }
    )
    every = pictures_of_women(images, 99, np.random.default_rng(0))
    assert every.groupby("patient_id")["exam_id"].unique().str.join("").to_dict() == {
        "A": "A2",  # the first in the store
        "D": "D1",  # B and C have one picture that can be read
    }
    assert every["row"].is_monotonic_increasing
    one = pictures_of_women(images, 1, np.random.default_rng(0))
    assert one["patient_id"].nunique() == 1
