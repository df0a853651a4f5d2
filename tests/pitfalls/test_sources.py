"""Classes from different sources, and several images that share one label."""

from zlib import crc32

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.pitfalls.collection import SamplingRule
from mammolab.pitfalls.small_study import joint_inputs, small_study
from mammolab.pitfalls.sources import (
    CONFOUNDED_SOURCES,
    collect_from_sources,
    confounded_sources,
    processed_by_year,
    several_images,
    sound_scores,
)

EASY = SamplingRule(devices=("alder",))


def streams(purpose: str) -> np.random.Generator:
    return np.random.default_rng([2, crc32(purpose.encode())])


class TestCollectFromSources:
    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_sizes_do_not_depend_on_the_share(self, fabricated_study, share):
        exams = fabricated_study.of_split("train")
        chosen = collect_from_sources(exams, EASY, share, streams("x"))
        cancer = chosen["cancer_within_1y"]
        n_easy = ((exams["device"] == "alder") & ~exams["cancer_within_1y"]).sum()
        assert cancer.sum() == (~cancer).sum() == min(exams["cancer_within_1y"].sum(), n_easy)
        assert chosen["exam_id"].is_unique
        assert (chosen.loc[~cancer, "device"] == "alder").mean() >= share - 0.01
        assert chosen.loc[cancer, "device"].nunique() == 2

    def test_doses_share_their_draws(self, fabricated_study):
        exams = fabricated_study.of_split("train")
        some, all_of_them = (
            collect_from_sources(exams, EASY, share, streams("x")) for share in (0.5, 1.0)
        )
        of_some = some[~some["cancer_within_1y"]]
        again = of_some["exam_id"].isin(all_of_them["exam_id"])
        assert again.mean() >= 0.5
        assert set(some[some["cancer_within_1y"]]["exam_id"]) == set(
            all_of_them[all_of_them["cancer_within_1y"]]["exam_id"]
        )

    def test_refusals(self, fabricated_study):
        exams = fabricated_study.of_split("train")
        with pytest.raises(InputError, match="no cancer"):
            collect_from_sources(exams[~exams["cancer_within_1y"]], EASY, 0.5, streams("x"))
        with pytest.raises(InputError, match="alder"):
            collect_from_sources(exams, SamplingRule(devices=("oak",)), 0.5, streams("x"))


class TestJointInputs:
    def test_each_image_alone_is_shown_four_times(self, fabricated_study):
        inputs = fabricated_study.inputs
        joint = joint_inputs(inputs, 1)
        rows = joint.filter(like="row_")
        assert (rows.nunique(axis=1) == 1).all()
        label = inputs.set_index("row")["label"]
        np.testing.assert_array_equal(label.loc[rows["row_l_cc"]].to_numpy(), joint["label"])

    @pytest.mark.parametrize(("n_images", "n_with_cancer"), [(2, 1), (4, 1)])
    def test_several_share_the_label_of_any(self, fabricated_study, n_images, n_with_cancer):
        joint = joint_inputs(fabricated_study.inputs, n_images)
        assert len(joint) == len(fabricated_study.inputs) / n_images
        assert (joint.filter(like="row_").nunique(axis=1) == n_images).all()
        cancer = fabricated_study.exams.set_index("exam_id")["cancer_within_1y"]
        positive = joint.groupby("exam_id")["label"].sum()
        np.testing.assert_array_equal(positive, n_with_cancer * cancer.loc[positive.index])

    def test_missing_views_are_stood_in_for(self, fabricated_study):
        lone = fabricated_study.inputs.iloc[:3]
        joint = joint_inputs(lone, 4)
        assert set(joint.filter(like="row_").iloc[0]) == {0, 1, 2}
        with pytest.raises(InputError, match="1, 2, 4"):
            joint_inputs(lone, 3)


@pytest.fixture(scope="module")
def sound(fabricated_study) -> pd.Series:
    return sound_scores(fabricated_study, EASY, streams)


def test_done_right_the_report_is_true(fabricated_study, sound):
    now = confounded_sources(fabricated_study, EASY, sound, streams, 0.0)
    assert now.true == now.repaired
    assert now.reported.low < now.true.value < now.reported.high
    assert not now.guard.fired


def test_another_source_is_reported_as_cancer(fabricated_study, sound):
    now = confounded_sources(fabricated_study, EASY, sound, streams, 1.0)
    assert now.reported.value > now.true.value + 0.1
    assert now.guard.fired
    assert now.guard.name == CONFOUNDED_SOURCES.guard


class TestEvenYears:
    """Negatives of even years harm where the year is seen in the picture, and only there."""

    rule = SamplingRule(years=(2010,))

    def test_pictures_of_those_years_alone_are_changed(self, fabricated_study):
        other = processed_by_year(fabricated_study, (2010,), 1.5)
        changed = (other.thumbnails != fabricated_study.thumbnails).any(axis=(1, 2))
        exams = fabricated_study.exams.set_index("exam_id")
        of_2010 = fabricated_study.inputs["exam_id"].map(exams["exam_year"]) == 2010
        np.testing.assert_array_equal(changed, of_2010)

    def test_a_year_that_leaves_no_trace_is_told_by_the_guard_alone(self, fabricated_study, sound):
        now = confounded_sources(fabricated_study, self.rule, sound, streams, 1.0)
        assert now.reported.low < now.true.value < now.reported.high
        assert now.guard.fired
        assert now.guard.statistic == pytest.approx(0.75, abs=0.05)  # half of the cancers are 2009

    def test_a_year_that_is_seen_is_reported_as_cancer(self, fabricated_study, sound):
        seen = processed_by_year(fabricated_study, (2010,), 4.0)
        now = confounded_sources(seen, self.rule, sound, streams, 1.0)
        assert now.reported.low > now.true.value


def test_the_dial_of_several_images(fabricated_study, sound):
    fast = type(fabricated_study)(**vars(fabricated_study) | {"steps": 1})
    settings = [
        several_images(fast, EASY, sound, 1, streams, dose).setting for dose in (0.0, 0.5, 1.0)
    ]
    assert settings == [1, 2, 4]


def test_small_study_keeps_train_and_test_and_counts_thumbnails(fabricated_study):
    exams = fabricated_study.exams.assign(
        has_pixels=True, cancer_laterality=np.where(fabricated_study.exams.index % 3, None, "L")
    )
    exams.loc[:9, "split"] = "dev"
    images = fabricated_study.inputs[["image_id", "exam_id", "patient_id", "laterality", "view"]]
    images = images.assign(row=fabricated_study.inputs["row"][::-1].to_numpy(), status="ok")
    study = small_study(
        fabricated_study.thumbnails, images, exams, fabricated_study.bootstrap, 4, 1, 1
    )
    assert set(study.exams["split"]) == {"train", "test"}
    assert study.thumbnails.shape == (len(images) - 40, 16, 13)
    first = study.inputs.iloc[0]
    big = images.set_index("image_id").loc[first["image_id"], "row"]
    np.testing.assert_allclose(
        study.thumbnails[first["row"]],
        fabricated_study.thumbnails[big].reshape(16, 4, 13, 4).mean(axis=(1, 3)),
        atol=0.51,
    )
