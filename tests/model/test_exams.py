"""Exams of four views: the right rows in the right places, and stand-ins for what is missing."""

import numpy as np
import pandas as pd
import pytest
import torch

from mammolab.errors import InputError
from mammolab.model.exams import (
    STAND_INS,
    exam_labels,
    image_labels,
    input_rows,
    selection_metrics,
)
from mammolab.model.network import NetworkConfig

VIEWS = [("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO")]


@pytest.fixture
def tables():
    """Three exams of four views, rows 0-3, 4-7 and 8-11; the second is a cancer of no known side."""
    images = pd.DataFrame(
        [
            {
                "image_id": f"{exam}{side}{view}",
                "exam_id": exam,
                "patient_id": exam.upper(),
                "laterality": side,
                "view": view,
                "row": 4 * e + v,
                "status": "ok",
            }
            for e, exam in enumerate("abc")
            for v, (side, view) in enumerate(VIEWS)
        ]
    ).astype({"row": "Int64"})
    cohort = pd.DataFrame(
        {
            "exam_id": list("abc"),
            "patient_id": list("ABC"),
            "split": "train",
            "sampling_weight": [1.0, 1.0, 7.0],
            "has_pixels": True,
            "cancer_within_1y": [True, True, False],
            "cancer_laterality": ["L", "", ""],
        }
    )
    return images, cohort


def _skipped(images, *image_ids):
    images.loc[images["image_id"].isin(image_ids), ["status", "row"]] = ["skipped", pd.NA]
    return images


def test_an_exam_is_its_four_views_in_order(tables):
    exams = exam_labels(*tables)
    np.testing.assert_array_equal(input_rows(exams, 4), np.arange(12).reshape(3, 4))
    assert exams["label"].tolist() == [True, True, False]
    assert exams["n_views"].tolist() == [4, 4, 4]
    assert exams["sampling_weight"].tolist() == [1.0, 1.0, 7.0]


def test_the_other_breast_stands_in_for_a_missing_view_and_then_the_other_view(tables):
    images, cohort = tables
    images = _skipped(images, "aLCC", "bLMLO", "bRMLO", "cLCC", "cLMLO", "cRCC")
    exams = exam_labels(images, cohort)
    assert input_rows(exams, 4).tolist() == [[2, 1, 2, 3], [4, 4, 6, 6], [11, 11, 11, 11]]
    assert exams["n_views"].tolist() == [3, 2, 1]


def test_an_exam_without_views_is_left_out_and_other_views_and_repeats_do_not_count(tables):
    images, cohort = tables
    extra = images.iloc[[0, 0, 9]].assign(
        image_id=["aLCC2", "aLXCCL", "cLMLO0"], row=[12, 13, 14], view=["CC", "XCCL", "MLO"]
    )
    images = _skipped(images, "bLCC", "bLMLO", "bRCC", "bRMLO")
    exams = exam_labels(pd.concat([extra, images]), cohort)
    assert exams["exam_id"].tolist() == ["a", "c"]
    assert input_rows(exams, 4).tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]


def test_each_view_has_the_other_three_to_stand_in():
    for view, others in STAND_INS.items():
        assert {view, *others} == set(STAND_INS)


def test_a_table_of_the_other_kind_is_refused(tables):
    with pytest.raises(InputError, match="lacks row, which a network of 1 view"):
        input_rows(exam_labels(*tables), 1)
    with pytest.raises(InputError, match="lacks row_l_cc, row_l_mlo"):
        input_rows(image_labels(*tables), 4)


class Brightness(torch.nn.Module):
    """A network whose logit is the brightness of the image, or of an exam's brightest view."""

    def __init__(self, views):
        super().__init__()
        self.config = NetworkConfig(width=1, views=views)

    def forward(self, images):
        return images.amax(dim=(1, 2, 3))


@pytest.mark.parametrize("views", [1, 4])
def test_dev_scores_exams_alike_by_image_and_whole(tables, views):
    images, cohort = tables
    cohort = cohort.assign(
        split="dev", recall=True, cancer_laterality=["L", "B", ""], sampling_weight=1.0
    )
    grey = np.array([9, 0, 0, 0, 2, 1, 1, 1, 5, 5, 5, 5], dtype=np.uint8)
    store = np.repeat(grey, 32 * 32).reshape(12, 32, 32) * 20
    labelled = (image_labels if views == 1 else exam_labels)(images, cohort)
    measure = selection_metrics(store, labelled, cohort, 10, 0.5, np.random.default_rng(0))
    # The brightest exam is a cancer, the darkest too, the healthy one lies between them.
    assert measure(Brightness(views)) == {"dev_auc": 0.5, "dev_ruled_out": pytest.approx(2 / 3)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cancer_within_1y": False}, "holds 0 cancers and 3 other exams"),
        ({"recall": False}, "and a cancer that a reader recalled"),
        ({"cancer_within_1y": True}, "holds 3 cancers and 0 other exams"),
    ],
)
def test_a_development_set_that_cannot_select_is_refused(tables, changes, message):
    images, cohort = tables
    cohort = cohort.assign(split="dev", recall=True, cancer_laterality="L")
    labelled = image_labels(images, cohort.assign(**changes))
    with pytest.raises(InputError, match=message):
        selection_metrics(
            np.zeros((12, 32, 32), np.uint8),
            labelled,
            cohort.assign(**changes),
            10,
            0.95,
            np.random.default_rng(0),
        )
