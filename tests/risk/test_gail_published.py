"""The Gail model against the published tables, every race group and every example row of them."""

import math

import numpy as np
import pandas as pd
import pytest

from mammolab.risk.gail import absolute_risk, constants, gail_risk, published_codes, races

# The published race codes 1 to 11: our group, and the columns of the four tables that hold it.
GROUPS = {
    1: ("white", "Wh.1983_87", "Wh.Gail"),
    2: ("black", "AA.1994_98", "AA.CARE"),
    3: ("hispanic_us_born", "HU.1995_04", "HU.Gail"),
    4: ("native_american_or_unknown", "NA.1983_87", "NA.Gail"),
    5: ("hispanic_foreign_born", "HF.1995_04", "HF.Gail"),
    6: ("chinese", "Ch.1998_02", "Asian.AABCS"),
    7: ("japanese", "Ja.1998_02", "Asian.AABCS"),
    8: ("filipino", "Fi.1998_02", "Asian.AABCS"),
    9: ("hawaiian", "Hw.1998_02", "Asian.AABCS"),
    10: ("other_pacific_islander", "oP.1998_02", "Asian.AABCS"),
    11: ("other_asian", "oA.1998_02", "Asian.AABCS"),
}
CODES = ["N_Biop", "HypPlas", "AgeMen", "Age1st", "N_Rels"]
GOLDEN = [
    # race, T1, T2, biopsies, hyperplasia, menarche, first birth, relatives, percent
    (1, 40, 50, 1, 99, 12, 25, 1, 4.5136216073),
    (1, 45, 55, 2, 1, 10, 98, 2, 24.125253066),
    (2, 40, 50, 1, 99, 12, 25, 1, 2.7300575728),
    (3, 45, 55, 2, 1, 10, 98, 2, 5.8245861091),
]


@pytest.fixture(scope="module")
def tables(request):
    """The published tables: beta, lambda1, lambda2, 1_AR, and the example women."""
    folder = request.config.rootpath.parent / "shared" / "data" / "statistics"
    if not folder.is_dir():
        pytest.skip("the folder of real test files is absent")
    names = ("beta", "lambda1", "lambda2", "1_AR")
    read = {name: pd.read_csv(folder / f"bcra_BrCa_{name}.csv", index_col=0) for name in names}
    return read | {"examples": pd.read_csv(folder / "bcra_exampledata.csv", index_col=0)}


def by_the_tables(tables, race, t1, t2, biopsies, hyper, menarche, first_birth, relatives) -> float:
    """One woman's risk from the published tables alone, NaN where the published tool refuses her.

    The rules are written out once more, one woman and one year at a time.
    """
    if race not in GROUPS or not (20 <= t1 < 90 and t1 < t2 <= 90):
        return math.nan
    nobiopsy = biopsies in (0, 99)
    if (hyper != 99) if nobiopsy else (hyper not in (0, 1, 99)):
        return math.nan
    if menarche != 99 and menarche > t1:
        return math.nan
    black, hispanic, asian = race == 2, race in (3, 5), race >= 6
    if not black:  # her model knows no first birth
        if menarche != 99 and first_birth < menarche:
            return math.nan
        if t1 < first_birth < 98:
            return math.nan
    nb = 0 if nobiopsy else min(biopsies, 1 if hispanic else 2)
    am = 0 if menarche >= 14 else 1 if menarche >= 12 or black else 2
    am = 0 if race == 3 else am
    if first_birth == 99 or first_birth < 20 or black:
        af = 0
    elif first_birth == 98:
        af = 2
    else:
        af = 1 if first_birth < 25 else 2 if first_birth < 30 else 3
        af = {1: 1, 2: 1, 3: 2}[af] if hispanic else af
    nr = 0 if relatives == 99 else min(relatives, 1 if hispanic or asian else 2)
    _, rates, model = GROUPS[race]
    b = tables["beta"][model]
    hyper_risk = 1.0 if nb == 0 else {0: 0.93, 1: 1.82, 99: 1.0}[hyper]
    linear = nb * b["N_Biop"] + am * b["AgeMen"] + af * b["AgeFst"] + nr * b["N_Rels"]
    linear += af * nr * b["AF*NR"]
    risk = cumulative = 0.0
    for year in range(int(t1), math.ceil(t2)):
        length = min(t2, year + 1) - max(t1, year)
        old = year >= 50
        relative = hyper_risk * math.exp(linear + (nb * b["A50*NB"] if old else 0.0))
        band = (year - 20) // 5
        cancer = tables["1_AR"][model].iloc[int(old)] * relative
        cancer *= tables["lambda1"][rates].iloc[band]
        total = cancer + tables["lambda2"][rates].iloc[band]
        risk += cancer / total * math.exp(-cumulative) * (1 - math.exp(-total * length))
        cumulative += total * length
    return risk


def ours(race, t1, t2, *codes) -> float:
    return float(absolute_risk([t1], [t2], [GROUPS[race][0]], *([code] for code in codes))[0])


@pytest.mark.parametrize("golden", GOLDEN)
def test_published_values_from_the_published_tables(tables, golden):
    *woman, percent = golden
    assert 100 * by_the_tables(tables, *woman) == pytest.approx(percent, abs=1e-8)
    assert ours(*woman) == pytest.approx(percent / 100, abs=1e-10)


@pytest.mark.parametrize("race", GROUPS)
def test_every_constant_is_that_of_the_tables(tables, race):
    group, rates, model = GROUPS[race]
    one = constants()[group]
    assert one["incidence"] == tables["lambda1"][rates].tolist()
    assert one["competing_mortality"] == tables["lambda2"][rates].tolist()
    assert one["log_relative_risk"] == tables["beta"][model].tolist()
    assert one["one_minus_attributable_risk"] == tables["1_AR"][model].tolist()


def test_no_group_is_left_out(tables):
    assert set(constants()) == {group for group, *_ in GROUPS.values()}
    rates = set(tables["lambda1"]) - {rates for _, rates, _ in GROUPS.values()}
    assert rates == {"Wh_Avg.1992_96"}  # of the average White woman: no woman's own risk
    assert set(tables["beta"]) == {model for *_, model in GROUPS.values()}


@pytest.mark.parametrize("row", range(26))
def test_every_example_woman(tables, row):
    assert len(tables["examples"]) == 26
    one = tables["examples"].iloc[row]
    race, codes = int(one["Race"]), [int(one[name]) for name in CODES]
    expected = by_the_tables(tables, race, one["T1"], one["T2"], *codes)
    if race not in GROUPS:
        assert math.isnan(expected)
        with pytest.raises(ValueError, match="group must be one of"):  # no group of ours is it
            absolute_risk([one["T1"]], [one["T2"]], [str(race)], *([code] for code in codes))
        return
    risk = ours(race, one["T1"], one["T2"], *codes)
    assert risk == pytest.approx(expected, abs=1e-8, nan_ok=True)


def test_the_examples_scored_are_these(tables):
    """So that the test above does not compare nothing with nothing."""
    scored = [
        int(one.ID)
        for one in tables["examples"].itertuples()
        if not math.isnan(
            by_the_tables(tables, one.Race, one.T1, one.T2, *(getattr(one, name) for name in CODES))
        )
    ]
    assert scored == [4, 5, 6, 7, 8, 10, 16, 17, 18, 21, 22]


@pytest.mark.parametrize("race", GROUPS)
def test_many_women_of_every_group(tables, race):
    rng = np.random.default_rng(race)
    n = 60
    t1 = rng.uniform(20, 89, n).round(2)
    t2 = np.minimum(t1 + rng.choice([0.4, 1, 5, 10, 70], n), 90.0)
    biopsies = rng.choice([0, 1, 2, 5, 99], n)
    codes = [
        biopsies,
        np.where(rng.random(n) < 0.8, 99, rng.choice([0, 1, 2], n)),
        rng.choice([9, 11, 12, 13, 14, 17, 25, 99], n),
        rng.choice([10, 19, 20, 24, 25, 29, 30, 41, 98, 99], n),
        rng.choice([0, 1, 2, 3, 99], n),
    ]
    together = absolute_risk(t1, t2, [GROUPS[race][0]] * n, *codes)
    alone = [
        by_the_tables(tables, race, *(float(x[k]) for x in (t1, t2)), *(int(c[k]) for c in codes))
        for k in range(n)
    ]
    assert 10 < np.isfinite(alone).sum() < n
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)


def test_detailed_groups_may_stand_in_our_table():
    woman = {
        "exam_id": "E1", "age_years": 52.3, "family_history_n": 1.0, "menarche_age_years": 12.0,
        "n_births": 2.0, "age_first_birth_years": 26.0, "n_biopsies": 1.0, "atypia": 0.0,
    }  # fmt: skip
    frame = pd.DataFrame([woman | {"race_ethnicity": race} for race in races()])
    expected = {"asian": "other_asian", "hispanic": "hispanic_us_born"}
    expected |= {"other": "native_american_or_unknown"}
    groups = published_codes(frame)["group"]
    assert groups.tolist() == [expected.get(race, race) for race in races()]
    n = len(groups)
    direct = absolute_risk([52.3] * n, 57.3, groups, 1, 0, 12, 26, 1)
    np.testing.assert_array_equal(gail_risk(frame), direct)


def test_several_odd_things_are_all_noted():
    odd = {
        "exam_id": "E1", "age_years": 40.0, "race_ethnicity": "white", "family_history_n": 0.0,
        "menarche_age_years": 41.0, "n_births": 0.0, "age_first_birth_years": 25.0,
        "n_biopsies": 0.0, "atypia": 1.0,
    }  # fmt: skip
    assert published_codes(pd.DataFrame([odd]))["note"].iloc[0] == (
        "a first birth, and n_births 0: nulliparous; menarche after the exam: unknown; "
        "atypia without a biopsy: not applicable"
    )


def test_the_first_birth_of_a_black_woman_is_not_looked_at():
    """Her model does not know it, so no age at it can be refused."""
    history = ([40], [45], ["black"], [0], [99], [13])
    risks = {float(absolute_risk(*history, [birth], [0])[0]) for birth in (10, 25, 44, 98, 99)}
    assert len(risks) == 1 and math.isfinite(risks.pop())
    assert np.isnan(absolute_risk([40], [45], ["white"], [0], [99], [13], [44], [0]))
