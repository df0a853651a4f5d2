"""Readers: they see what the pixels show, call what looks alike, and lean on an AI."""

import numpy as np
import pytest
from scipy.special import expit, logit

from mammolab.world import parameters as p
from mammolab.world import readers
from mammolab.world.percept import log_cnr


def percept(diameter=10.0, latent=0.0, contrast=0.0, kind="mass", vendor="alder") -> np.ndarray:
    """Percept of lesions that differ in one thing."""
    table = np.broadcast_arrays(
        np.array(kind, object), diameter, latent, contrast, np.array(vendor, object)
    )
    kind, diameter, latent, contrast, vendor = (np.atleast_1d(column) for column in table)
    seen = log_cnr(kind, diameter, latent, contrast, vendor)
    return readers.percept(kind, diameter, latent, seen)


def test_percept_is_the_rendered_contrast_to_noise_on_a_line():
    level, slope = p.PERCEPT.value["spiculated"]
    lesion, reference = (
        log_cnr(*(np.array([value]) for value in ("spiculated", *values)))
        for values in ((12.0, -0.5, 0.2, "birch"), (10.0, -0.3, 0.0, "alder"))
    )
    form = p.PERCEPT_SIZE.value * np.log(12 / 10) + p.PERCEPT_DENSITY.value[1]
    expected = level + slope * (lesion - reference) + form
    np.testing.assert_allclose(percept(12.0, -0.5, 0.2, "spiculated", "birch"), expected)


def test_detection_rises_with_size_and_contrast_and_falls_with_density():
    by_size = percept(np.array([1.9, 3.0, 8.0, 15.0, 40.0]))
    assert by_size[0] == -np.inf and (np.diff(by_size[1:]) > 0).all()
    assert (np.diff(percept(contrast=np.array([-0.5, 0.0, 0.5]))) > 0).all()
    assert (np.diff(percept(latent=np.array([-1.8, -0.5, 0.7, 1.8]))) < 0).all()


def test_most_of_the_masking_comes_from_the_pixels():
    in_pixels = p.PERCEPT.value["mass"][1] * (
        log_cnr(np.array(["mass"] * 2), np.full(2, 10.0), np.array([-0.55, 1.8]), np.zeros(2),
                np.array(["alder"] * 2)) @ [1, -1]
    )  # fmt: skip
    beyond = p.PERCEPT_DENSITY.value[1] - p.PERCEPT_DENSITY.value[3]
    assert 0 <= beyond < in_pixels


def test_prior_films_and_criterion_move_detection_on_the_logit():
    def chance(has_prior: bool, effect: float, shift: float) -> float:
        plain = np.array([-0.3])
        found = readers.detection_probability(plain, np.array([has_prior]), effect, shift)
        return logit(found[0] / p.DETECTION_CEILING.value)

    assert chance(True, 0, 0) - chance(False, 0, 0) == pytest.approx(p.PERCEPT_PRIOR_FILM.value)
    assert chance(False, 0.4, 0.2) - chance(False, 0, 0) == pytest.approx(0.6)
    unseen = readers.detection_probability(np.array([-np.inf]), np.array([True]), 0.0, 0.0)
    assert unseen[0] == 0


def false_positive(has_prior=False, benign=0.0, effect=0.0, shift=0.0) -> float:
    """Log odds of a false positive at 50 in density b."""
    one = np.ones(1)
    chance = readers.false_positive_probability(
        50 * one, one.astype(int), one * has_prior, benign * one, effect * one, 0 * one, shift
    )
    return logit(chance[0])


def test_false_positives_by_prior_film_reader_look_alike_and_criterion():
    assert false_positive(True) - false_positive() == pytest.approx(np.log(0.5), abs=1e-3)
    assert false_positive(effect=1.0) - false_positive() == pytest.approx(-1)
    assert false_positive(shift=0.3) - false_positive() == pytest.approx(0.3)
    faint, plain = (false_positive(benign=shows) - false_positive() for shows in (0.2, 0.9))
    assert plain == pytest.approx(4.5 * faint) and faint > 0


def test_the_panel_has_its_spread_at_any_seed():
    for seed in (1, 2):
        panel = readers.draw_panel(seed)
        assert panel["reader_id"].is_unique
        assert panel["sensitivity_effect"].mean() == pytest.approx(0, abs=1e-9)
        assert panel["sensitivity_effect"].std() == pytest.approx(
            p.READER_SENSITIVITY_SD.value, rel=0.05
        )
        assert panel.groupby("site").size().to_dict() == p.READERS.value


def test_a_reader_without_reliance_is_the_reader_herself():
    chance = np.array([0.0, 0.07, 0.5, 1.0])
    np.testing.assert_array_equal(readers.with_ai(chance, np.array([True, False] * 2), 0.0), chance)


def test_flags_move_the_criterion_and_bias_grows_with_reliance():
    chance = np.full(3, 0.3)
    flagged, clear = (
        np.array([readers.with_ai(chance, np.full(3, flag), r)[0] for r in (0.0, 0.3, 0.6, 1.0)])
        for flag in (True, False)
    )
    assert (np.diff(flagged) > 0).all() and (np.diff(clear) < 0).all()
    by_hand = 0.75 * expit(logit(0.3) + 0.8) + 0.25
    assert flagged[-1] == pytest.approx(by_hand)


def test_full_reliance_loses_the_cancers_the_ai_missed_as_published():
    alone, missed_by_ai = np.full(1, 0.71), np.zeros(1, bool)
    assert readers.with_ai(alone, missed_by_ai, 1.0)[0] == pytest.approx(0.39, abs=0.02)


def test_impossible_reliance_is_refused():
    with pytest.raises(ValueError, match="reliance must be within 0..1"):
        readers.with_ai(np.zeros(1), np.zeros(1, bool), 1.2)
