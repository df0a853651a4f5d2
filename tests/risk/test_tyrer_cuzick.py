"""The Tyrer-Cuzick-like model by hand and by its own rules, and the reader of real scores."""

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError
from mammolab.risk import gail
from mammolab.risk.tyrer_cuzick import (
    COLUMNS,
    constants,
    log_relative_risk,
    read_risk_scores,
    risk_of_exams,
    tyrer_cuzick_like_risk,
)

UNKNOWN = {column: np.nan for column in COLUMNS if column != "age_years"}


def women(*changes: dict, **shared) -> pd.DataFrame:
    usual = {
        "exam_id": "E1",
        "age_years": 56.0,
        "race_ethnicity": "white",
        "family_history_n": 0.0,
        "menarche_age_years": 12.0,
        "n_births": 2.0,
        "age_first_birth_years": 24.0,
        "n_biopsies": 0.0,
        "atypia": 0.0,
        "bmi": 27.0,
        "brca": np.nan,
    }
    return pd.DataFrame([usual | shared | one for one in changes or ({},)])


def test_published_effects_and_no_race():
    frame = women(
        {},
        {"race_ethnicity": "black"},
        {"family_history_n": 2.0},
        {"brca": 0.0},
        {"brca": 1.0},
        {"age_first_birth_years": 33.0},
        {"bmi": 32.0},
        {"n_biopsies": 1.0, "atypia": 1.0},
        {"n_biopsies": 1.0, "atypia": 0.0},
    )
    log_rr = log_relative_risk(frame)
    from_first = log_rr - log_rr[:, :1]
    assert (from_first[:, 1] == 0).all()
    np.testing.assert_allclose(np.exp(from_first[:, 2]), 2.93)  # two relatives: Lancet 2001
    np.testing.assert_allclose(np.exp(log_rr[:, 4] - log_rr[:, 3]), 9.0)
    np.testing.assert_allclose(from_first[:, 5], 2 * 0.2186262218)  # two of Gail's categories up
    np.testing.assert_allclose(np.exp(from_first[:, 6]), [1.0, 1.12])  # from age 50 alone
    np.testing.assert_allclose(np.exp(log_rr[:, 7] - log_rr[:, 8]), 1.82 / 0.93)
    per_biopsy = [0.5292641686, 0.5292641686 - 0.2880424830]
    np.testing.assert_allclose(from_first[:, 8], np.add(per_biopsy, np.log(0.93)))
    risk = tyrer_cuzick_like_risk(frame)
    assert risk[1] == risk[0]


def test_a_woman_of_whom_nothing_is_known_has_the_incidence_of_white_women():
    frame = women({"age_years": 42.0}, {"age_years": 55.0}, **UNKNOWN)
    assert (log_relative_risk(frame) == 0).all()
    white = gail.constants()["white"]
    for risk, band, length in zip(tyrer_cuzick_like_risk(frame, 3.0), (4, 7), (3, 3)):
        hazard, other = white["incidence"][band], white["competing_mortality"][band]
        total = hazard + other
        assert risk == pytest.approx(-hazard / total * np.expm1(-total * length), rel=1e-12)


def test_each_factor_has_mean_one_among_white_women():
    for older, age in enumerate((40.0, 60.0)):
        for name, column, values in (
            ("relatives", "family_history_n", (0, 1, 2, 3)),
            ("menarche", "menarche_age_years", (15, 13, 10)),
            ("biopsies", "n_biopsies", (0, 1, 2)),
            ("brca", "brca", (0, 1)),
        ):
            shared = UNKNOWN | {"age_years": age}
            frame = women(*({column: float(one)} for one in values), **shared)
            share = constants()[name]["share"][older]
            assert sum(share) == pytest.approx(1, abs=1e-9)
            relative = np.exp(log_relative_risk(frame)[older])
            assert np.dot(share, relative) == pytest.approx(1, abs=1e-9)


def test_what_is_unknown_is_average_whoever_else_is_in_the_table():
    frame = women({"brca": 1.0}, {"family_history_n": np.nan}, {"n_births": np.nan})
    together = tyrer_cuzick_like_risk(frame)
    apart = [tyrer_cuzick_like_risk(frame.iloc[[k]])[0] for k in range(3)]
    np.testing.assert_array_equal(together, apart)
    assert np.isfinite(together).all()


def test_a_birth_after_the_exam_has_not_happened():
    frame = women(
        {"n_births": 0.0, "age_first_birth_years": np.nan},
        {"n_births": 1.0, "age_first_birth_years": 42.0},
        age_years=41.0,
    )
    assert np.ptp(tyrer_cuzick_like_risk(frame)) == 0


def test_risk_grows_with_the_horizon_and_ends_at_90():
    frame = women({}, {"age_years": 88.0})
    risks = [tyrer_cuzick_like_risk(frame, years) for years in (1.0, 2.0, 5.0, 30.0)]
    assert (np.diff(risks, axis=0)[:, 0] > 0).all()
    assert risks[1][1] == pytest.approx(risks[3][1], rel=1e-12)
    assert all(((0 < risk) & (risk < 1)).all() for risk in risks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"age_years": 19.0}, "age_years from 20 to below 90; see exam_id E1"),
        ({"age_years": np.nan}, "age_years from 20"),
        ({"n_biopsies": -1.0}, "n_biopsies must not be negative; see exam_id E1"),
        ({"brca": 2.0}, "brca must be 0, 1 or missing"),
    ],
)
def test_bad_input_is_one_sentence(change, message):
    with pytest.raises(InputError, match=message):
        tyrer_cuzick_like_risk(women(change))


def test_a_missing_column_and_a_bad_horizon_are_named():
    with pytest.raises(InputError, match="needs column bmi, brca"):
        tyrer_cuzick_like_risk(women().drop(columns=["bmi", "brca"]))
    with pytest.raises(InputError, match="above 0"):
        tyrer_cuzick_like_risk(women(), 0.0)


def test_real_scores_take_its_place(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("exam_id,model,risk_5y\n007,x,0.02\nE2,x,0.5\n", "utf-8")
    scores = read_risk_scores(path)
    assert scores["exam_id"].tolist() == ["007", "E2"]
    assert risk_of_exams(scores, pd.Series(["E2", "007"])).tolist() == [0.5, 0.02]
    with pytest.raises(InputError, match="must hold every exam; see exam_id E9"):
        risk_of_exams(scores, pd.Series(["E2", "E9"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exam_id,risk\nE1,0.1\n", "lacks the column.s. risk_5y.*it has exam_id, risk"),
        ("exam_id,risk_5y\nE1,1.7\n", "is no probability, such as '1.7', in 1 of 1 rows: row 2"),
        ("exam_id,risk_5y\nE1,\n", "risk_5y is blank"),
        ("exam_id,risk_5y\nE1,x\n", "is no number"),
        ("exam_id,risk_5y\nE1,.1\nE1,.2\n", "repeats an exam"),
        ("exam_id,risk_5y\n", "no rows"),
    ],
)
def test_bad_scores_are_one_sentence(tmp_path, text, message):
    path = tmp_path / "scores.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        read_risk_scores(path)


def test_absent_scores_are_said(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        read_risk_scores(tmp_path / "none.csv")
