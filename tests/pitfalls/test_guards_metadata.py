"""The guard on metadata fires on planted confounding and keeps quiet without it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mammolab.errors import InputError
from mammolab.pitfalls._permutation import rows_of_others
from mammolab.pitfalls.collection import SamplingRule
from mammolab.pitfalls.guards_metadata import METADATA, cell_scores, metadata_auc
from mammolab.pitfalls.sources import collect_from_sources


def exams(seed: int, n: int = 1200, rate: float = 0.5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "patient_id": [f"P{k}" for k in rng.integers(0, n // 3, n)],
            "exam_year": rng.integers(2009, 2017, n),
            "device": rng.choice(["alder", "birch", "cedar"], n),
            "site": rng.choice(["A", "B", None], n),
            "cancer_within_1y": rng.random(n) < rate,
        }
    )


def judge(frame, seed=0, **options):
    return metadata_auc(
        frame,
        "cancer_within_1y",
        METADATA,
        frame["patient_id"],
        np.random.default_rng(seed),
        **{"n_permutations": 20} | options,
    )


def clustered(seed: int, n_patients: int, n_rows: int) -> pd.DataFrame:
    """Patients whose rows share a site and a label that have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(n_patients), n_rows)
    site = rng.choice(list("ABCDEFGH"), n_patients)[rows]
    label = (rng.random(n_patients) < 0.2)[rows]
    return pd.DataFrame({"patient_id": [f"P{k:04d}" for k in rows], "site": site, "y": label})


def judge_site(frame, seed=0, **options):
    rng = np.random.default_rng(seed)
    options = {"n_permutations": 30} | options
    return metadata_auc(frame, "y", ("site",), frame["patient_id"], rng, **options)


class TestRowsOfOthers:
    def test_one_row_each_is_a_permutation(self):
        for rows in rows_of_others(np.arange(50), 5, np.random.default_rng(0)):
            assert sorted(rows) == list(range(50))

    def test_a_patient_s_rows_come_from_one_patient_and_differ_while_they_last(self):
        patient = np.array([0, 1, 2, 2, 1, 1, 3, 3, 3, 3])
        taken = set()
        for rows in rows_of_others(patient, 200, np.random.default_rng(0)):
            given = [rows[patient == k] for k in range(4)]
            assert all(len(set(patient[one])) == 1 for one in given)
            assert sorted(patient[one][0] for one in given) == [0, 1, 2, 3]
            for one in given:
                available = (patient == patient[one][0]).sum()
                assert len(set(one)) == min(len(one), available)
            taken.add(tuple(rows))
        assert len(taken) > 50


@pytest.mark.parametrize("seed", range(10))
def test_scores_of_cells_are_those_of_scikit_learn(seed):
    """Few cells or many, rare classes, cells without an exam, a level that tells all."""
    rng = np.random.default_rng(seed)
    n_cells = int(rng.integers(2, 60))
    design = np.column_stack(
        [np.eye(n)[rng.integers(0, n, n_cells)] for n in rng.integers(1, 8, 3)]
    )
    mass = rng.gamma(0.3, 1.0, (2, 4, n_cells)) * (rng.random((2, 4, n_cells)) < 0.7)
    mass[:, :, 0] += 0.01  # both classes are there
    positive, negative = mass / mass.sum(axis=2, keepdims=True) * 10 ** rng.uniform(0, 4)
    for one, ours in enumerate(cell_scores(design, positive, negative)):
        theirs = LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=500).fit(
            np.concatenate([design, design]),
            np.repeat([0, 1], n_cells),
            sample_weight=np.concatenate([negative[one], positive[one]]),
        )
        np.testing.assert_allclose(ours, theirs.decision_function(design), atol=1e-5)


class TestMetadataAuc:
    @pytest.mark.parametrize("seed", range(4))
    def test_quiet_where_metadata_tell_nothing(self, seed):
        verdict = judge(exams(seed), seed)
        assert not verdict.fired
        assert verdict.statistic == pytest.approx(0.5, abs=0.06)

    def test_fires_where_the_negatives_come_from_one_scanner_and_year(self):
        cohort = exams(5, n=12_000, rate=0.03)
        rng = np.random.default_rng(5)
        there = SamplingRule(years=(2015, 2016), devices=("cedar",))
        confounded = judge(collect_from_sources(cohort, there, 1.0, rng))
        alike = judge(collect_from_sources(cohort, there, 0.0, rng))
        assert confounded.fired
        assert confounded.statistic > 0.85
        assert "device, exam_year, site" in confounded.message
        assert not alike.fired

    def test_finds_the_planted_auc(self):
        frame = exams(6, n=4000)
        # A device used for 80% of cancers and 30% of the rest: AUC = (1 + .8 - .3) / 2.
        rng = np.random.default_rng(6)
        often = np.where(frame["cancer_within_1y"], 0.8, 0.3)
        frame["device"] = np.where(rng.random(len(frame)) < often, "alder", "birch")
        verdict = judge(frame.assign(exam_year=2010, site="A"), n_permutations=5)
        assert verdict.statistic == pytest.approx(0.75, abs=0.025)
        assert verdict.fired

    def test_missingness_can_tell(self):
        frame = exams(7)
        frame["site"] = np.where(frame["cancer_within_1y"], "A", None)
        assert judge(frame).statistic == pytest.approx(1.0)

    def test_weights_undo_a_device_that_was_oversampled(self):
        frame = exams(8, n=6000)
        keep = frame["cancer_within_1y"] | (frame["device"] != "cedar") | (frame.index % 10 == 0)
        weight = np.where(~frame["cancer_within_1y"] & (frame["device"] == "cedar"), 10.0, 1.0)
        kept = frame[keep]
        assert judge(kept).fired
        assert not judge(kept, sample_weight=weight[keep], n_permutations=10).fired

    def test_few_exams_need_more_than_the_tolerance(self):
        small = exams(9, n=40)
        assert judge(small, tolerance=0.0).limit > 0.6

    def test_chance_is_asked_only_above_the_tolerance(self):
        verdict = judge(exams(1), n_permutations=0)
        assert verdict.limit == 0.6
        assert not verdict.fired

    def test_quiet_where_a_patient_s_rows_share_site_and_label(self):
        """At most 1 in 20 may fire; of 40, more than 5 would come once in 70 times."""
        verdicts = [judge_site(clustered(seed, 60, 6), seed) for seed in range(40)]
        assert sum(verdict.fired for verdict in verdicts) <= 5
        assert sum(verdict.statistic > 0.6 for verdict in verdicts) > 5  # chance was asked

    @pytest.mark.parametrize("n_rows_with_cancer", [1, 6])
    def test_fires_where_cancers_of_one_site_have_more_rows_than_others(self, n_rows_with_cancer):
        cancer = np.arange(120) < 30
        rows = np.repeat(np.arange(120), np.where(cancer, n_rows_with_cancer, 3))
        site = np.where(cancer, "A", "B")[rows]
        frame = pd.DataFrame({"patient_id": rows.astype(str), "site": site, "y": cancer[rows]})
        assert judge_site(frame).fired

    def test_fires_where_cancers_come_last_in_every_patient(self):
        rows, year = np.divmod(np.arange(400), 4)
        cancer = (year == 3) & (rows < 60)
        frame = pd.DataFrame({"patient_id": rows.astype(str), "site": year, "y": cancer})
        assert judge_site(frame).fired

    def test_refusals(self):
        frame = exams(10)
        with pytest.raises(InputError, match="device"):
            judge(frame.drop(columns="device"))
        with pytest.raises(InputError, match="same cancer_within_1y"):
            judge(frame.assign(cancer_within_1y=False))
        with pytest.raises(InputError, match="different values"):
            judge(frame.assign(site=np.arange(len(frame))))
        with pytest.raises(InputError, match="folds"):
            judge(frame.assign(patient_id="P1"))
