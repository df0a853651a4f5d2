"""What readers see: the picture where there is one, else the formula with its scatter."""

import numpy as np
import pandas as pd
import pytest

from mammolab.world import percept, sight
from mammolab.world.exam_pixels import exams_of
from mammolab.world.lesions import KINDS
from mammolab.world.percept import measured_log_cnr
from mammolab.world.programme import simulate

PULLED = {"p_precancer": 1.0, "p_rest": 0.5}
SEED = 12


def seen_by_exam(n_women: int, seen: str = "pictures", **options) -> tuple:
    """Programme and the log CNR that its readers saw, by (lesion seed, woman, slot)."""
    values = {}

    class Kept(sight.Sight):
        def _see(self, lesions, exams, *arguments):
            result = super()._see(lesions, exams, *arguments)
            keys = zip(lesions["seed"], exams["woman"], exams["slot"], strict=True)
            values.update(zip(keys, result, strict=True))
            return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mammolab.world.programme.Sight", Kept)
        return simulate(n_women, SEED, **{**PULLED, **options}, seen=seen), values


@pytest.fixture(scope="module")
def drawn():
    return seen_by_exam(250)


@pytest.fixture(scope="module")
def formula():
    return seen_by_exam(250, "formula")


def test_readers_see_the_very_picture_that_is_exported(drawn):
    programme, seen = drawn
    checked = {True: 0, False: 0}
    for exam in exams_of(programme.pixels_exams, programme.truth_lesions)[:80]:
        woman, slot = int(exam.exam_id[1:7]) - 1, int(exam.exam_id[7:])
        for side, lesions in (("L", exam.lesions_left), ("R", exam.lesions_right)):
            view = next(view for view in exam.views() if view.laterality == side)
            for lesion in lesions:
                picture = measured_log_cnr(view, lesion, 256, 208, 4.0)
                assert seen[lesion.seed, woman, slot] == pytest.approx(picture, abs=6e-4)
                checked[lesion.malignant] += 1
    assert min(checked.values()) > 0 and sum(checked.values()) > 8


def test_of_look_alikes_a_share_of_the_exams_is_measured_and_those_that_show_a_cancer(
    drawn, formula
):
    programme, all_drawn = drawn
    _, by_formula = formula
    some, seen = seen_by_exam(250, look_alike_share=0.25)
    truth = programme.truth_lesions
    with_cancer = set(truth.loc[truth["malignant"], "exam_id"])
    drawn_at_cancers, followed, measured = 0, 0, 0
    for row in truth[~truth["malignant"]].itertuples():
        key = row.seed, int(row.exam_id[1:7]) - 1, int(row.exam_id[7:])
        assert seen[key] in (all_drawn[key], by_formula[key])
        if row.exam_id in with_cancer:
            assert seen[key] == all_drawn[key]
            drawn_at_cancers += 1
        elif seen[key] == by_formula[key]:
            followed += 1
        else:
            measured += 1
    assert drawn_at_cancers > 0
    assert measured / (measured + followed) == pytest.approx(0.25, abs=0.1)
    assert len(some.exams) == len(programme.exams)


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


def test_formula_and_pictures_agree_as_populations(drawn, formula):
    """Mean and spread of what lesions show in pictures and by the formula with its scatter."""
    _, seen = drawn
    _, expected = formula
    keys = sorted(seen.keys() & expected.keys())
    women = [woman for _, woman, _ in keys]
    picture = np.array([seen[key] for key in keys])
    formula = np.array([expected[key] for key in keys])
    assert len(keys) > 300 and len(set(women)) > 80
    # a woman's breast is common to all her lesions and exams: the unit of the error is the woman
    difference = pd.Series(picture - formula).groupby(women).mean()
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(difference))
    assert picture.std() == pytest.approx(formula.std(), rel=0.15)
    # no more apart than two draws of the same scatter: the sizes and densities are the same
    assert np.corrcoef(picture, formula)[0, 1] > 0.5


def test_an_unknown_way_of_seeing_is_refused():
    with pytest.raises(ValueError, match="formula, pictures"):
        simulate(5, 1, **PULLED, seen="truth")


def test_exam_seeds_do_not_depend_on_the_number_of_women():
    rows = pd.DataFrame({"woman": [0, 3], "slot": [2, 5]})
    alone = sight.exam_seeds(SEED, 4, rows)
    np.testing.assert_array_equal(sight.exam_seeds(SEED, 40, rows), alone)
