"""What readers see: the picture where there is one, else the formula with its scatter."""

import numpy as np
import pandas as pd
import pytest

from mammolab.world import parameters as p
from mammolab.world import percept, sight
from mammolab.world.exam_pixels import exams_of
from mammolab.world.lesions import KINDS
from mammolab.world.percept import measured_log_cnr
from mammolab.world.programme import simulate

PULLED = {"p_precancer": 1.0, "p_rest": 0.5}
SEED = 12


def seen_by_exam(n_women: int, workers: int = 1, **options) -> tuple:
    """Programme and the log CNR that its readers saw, by (lesion seed, woman, slot)."""
    made = []

    class Kept(sight.Sight):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mammolab.world.programme.Sight", Kept)
        programme = simulate(
            n_women, SEED, **{**PULLED, **options}, seen="pictures", workers=workers
        )
    return programme, made[0]._measured


@pytest.fixture(scope="module")
def drawn():
    return seen_by_exam(250)


def test_readers_see_the_very_picture_that_is_exported(drawn):
    programme, seen = drawn
    checked = {True: 0, False: 0}
    for exam in exams_of(programme.pixels_exams, programme.truth_lesions)[:80]:
        woman, slot = int(exam.exam_id[1:7]) - 1, int(exam.exam_id[7:])
        for side, lesions in (("L", exam.lesions_left), ("R", exam.lesions_right)):
            view = next(view for view in exam.views() if view.laterality == side)
            for lesion in lesions:
                value = seen.get((lesion.seed, woman, slot))
                if value is None:  # a look-alike at an exam that got its picture otherwise
                    assert not lesion.malignant
                    continue
                assert value == pytest.approx(
                    measured_log_cnr(view, lesion, 256, 208, 4.0), abs=6e-4
                )
                checked[lesion.malignant] += 1
    assert min(checked.values()) > 0 and sum(checked.values()) > 8


def test_the_result_does_not_depend_on_processes_or_on_more_women(drawn):
    programme, seen = drawn
    again, in_two = seen_by_exam(250, workers=2)
    pd.testing.assert_frame_equal(again.truth_exams, programme.truth_exams)
    pd.testing.assert_frame_equal(again.exams, programme.exams)
    more, _ = seen_by_exam(251)
    pd.testing.assert_frame_equal(
        more.truth_exams.head(len(programme.truth_exams)), programme.truth_exams
    )
    assert in_two == seen


def test_every_cancer_of_the_export_is_measured_at_each_of_its_exams(drawn):
    programme, seen = drawn
    lesions = programme.truth_lesions.query("malignant")
    keys = {
        (seed, int(exam_id[1:7]) - 1, int(exam_id[7:]))
        for seed, exam_id in zip(lesions["seed"], lesions["exam_id"], strict=True)
    }
    assert keys and keys <= set(seen)


def test_scatter_has_the_spread_of_the_fit_and_lasts_as_it_should():
    rng = np.random.default_rng(4)
    n = 20_000
    for kind in KINDS:
        fit = percept.constants()["kinds"][kind]
        lasting, first, second = rng.standard_normal((3, n))
        one, two = (percept.scatter(np.full(n, kind), lasting, fresh) for fresh in (first, second))
        assert one.std() == pytest.approx(np.hypot(fit["lasting_sd"], fit["fresh_sd"]), rel=0.03)
        assert np.cov(one, two)[0, 1] == pytest.approx(fit["lasting_sd"] ** 2, rel=0.06)


def test_formula_and_pictures_agree_as_populations(drawn):
    """Mean and spread of what cancers show, drawn against the formula, within sampling error."""
    programme, _ = drawn
    lesions = programme.truth_lesions
    exams = exams_of(programme.pixels_exams, lesions)
    differences = []
    rng = np.random.default_rng(9)
    for exam in exams:
        latent = programme.truth_exams.set_index("exam_id")["latent_density"][exam.exam_id]
        for side, found in (("L", exam.lesions_left), ("R", exam.lesions_right)):
            view = next(view for view in exam.views() if view.laterality == side)
            for lesion in found:
                if lesion.diameter_mm < p.SMALLEST_VISIBLE.value or len(differences) > 150:
                    continue
                measured = measured_log_cnr(view, lesion, 256, 208, 4.0)
                expected = percept.log_cnr(
                    [lesion.kind], [lesion.diameter_mm], [latent], [lesion.contrast], [exam.vendor]
                ) + percept.scatter([lesion.kind], *rng.standard_normal((2, 1)))
                differences.append(measured - expected[0])
    differences = np.array(differences)
    assert len(differences) > 60
    # look-alikes of one woman share her breast, so the error of the mean is taken twice as wide
    assert abs(differences.mean()) < 4 * differences.std() / np.sqrt(len(differences))
    assert differences.std() < 0.6


def test_an_unknown_way_of_seeing_is_refused():
    with pytest.raises(ValueError, match="formula, pictures"):
        simulate(5, 1, **PULLED, seen="truth")


def test_exam_seeds_do_not_depend_on_the_number_of_women():
    rows = pd.DataFrame({"woman": [0, 3], "slot": [2, 5]})
    alone = sight.exam_seeds(SEED, 4, rows)
    np.testing.assert_array_equal(sight.exam_seeds(SEED, 40, rows), alone)
