"""A network's features beside a table: a device in them is found, and a clean set is left in peace."""

import numpy as np
import pandas as pd
import pytest

from mammolab.audit.features import with_features
from mammolab.audit.registry import CHECKS
from mammolab.audit.run import Settings, run_checks
from mammolab.audit.table import read_tables
from mammolab.errors import InputError

PROBE = [check for check in CHECKS if check.name == "feature_probe"]


@pytest.fixture(scope="module")
def cohort(make_cohort):
    return make_cohort(400)


@pytest.fixture
def judged(cohort, write, tmp_path):
    """The finding on features that `change` makes of noise, and the table."""

    def judge(change):
        noise = np.random.default_rng(0).normal(size=(len(cohort), 8))
        features = pd.DataFrame(change(noise), columns=[f"f{k}" for k in range(8)])
        features.insert(0, "exam_id", cohort["exam_id"].to_numpy())
        # in another order than the table, so that a join by row would show
        features.sample(frac=1, random_state=1).to_csv(tmp_path / "features.csv", index=False)
        table = with_features(read_tables([write(cohort)]), tmp_path / "features.csv")
        return run_checks(table, Settings(), PROBE)[0], table

    return judge


def test_a_device_in_the_features_is_red(cohort, judged):
    shift = 2.0 * (cohort["device"] == "alder").to_numpy()[:, None]
    found, table = judged(lambda noise: noise + shift * (np.arange(8) == 3))
    assert found.level == "red" and found.statistic > 0.85
    assert f"8 features were found for {len(cohort)} of {len(cohort)} ids" in table.notes[-1]


def test_features_that_know_the_cancer_alone_are_not(cohort, judged):
    sick = 2.0 * cohort["cancer"].to_numpy()[:, None]
    found, _ = judged(lambda noise: noise + sick)
    assert found.level in ("green", "amber"), found


def test_without_features_the_check_is_skipped(cohort, write):
    found = run_checks(read_tables([write(cohort)]), Settings(), PROBE)[0]
    assert found.level == "skipped" and "features (--features)" in found.sentence


@pytest.mark.parametrize(
    "spoil, told",
    [
        (lambda t: t.drop(columns="exam_id"), "needs image_id or exam_id"),
        (lambda t: t[["exam_id"]], "columns of numbers"),
        (lambda t: pd.concat([t, t[:1]]), "repeats an id, such as"),
        (lambda t: t.assign(f0=[""] + ["1"] * (len(t) - 1)), "column f0 holds '' for exam_id"),
        (lambda t: t.assign(f0="inf"), "valid: finite numbers"),
        (lambda t: t.assign(exam_id="other" + t["exam_id"]), "no exam_id of it is in the table"),
    ],
)
def test_bad_features_are_one_sentence(cohort, write, tmp_path, spoil, told):
    table = cohort[["exam_id"]].assign(f0="1", f1="2")
    spoil(table).to_csv(tmp_path / "features.csv", index=False)
    with pytest.raises(InputError, match=told):
        with_features(read_tables([write(cohort)]), tmp_path / "features.csv")
