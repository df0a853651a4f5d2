"""Two risks crossed: the incidence of each cell, differences, and the exam that stands for it."""

import numpy as np
import pytest

from mammolab.evaluate import risk_grid as grid
from mammolab.evaluate.risk_groups import THIRDS, quantile_groups
from mammolab.evaluate.survival import incidence_estimate

DENSITIES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def women(follow):
    return follow(1, 6000)


@pytest.fixture(scope="module")
def groups(women):
    """Tertiles of the true risk; density, which here says nothing, missing for some."""
    density = np.random.default_rng(1).choice(DENSITIES, 6000).astype(object)
    density[:100] = None
    return quantile_groups(women.risk, women.weight), density


@pytest.fixture(scope="module")
def table(women, groups):
    return grid.risk_grid(*groups, THIRDS, DENSITIES, *women.outcome, 5.0, *women.rest)


class TestGrid:
    def test_each_cell_is_the_incidence_inside_it(self, women, groups, table):
        assert len(table) == 12 and (table["reason"] == "").all()
        cell = (groups[0] == "high") & (groups[1] == "b")
        (direct,) = incidence_estimate(
            women.time[cell], women.event[cell], [5.0], women.ids[cell], women.weight[cell],
            women.bootstrap,
        )  # fmt: skip
        row = table[(table["row"] == "high") & (table["column"] == "b")].iloc[0]
        assert row[["incidence", "ci_low", "ci_high"]].tolist() == [
            direct.value, direct.low, direct.high,
        ]  # fmt: skip
        assert row["n_events"] == (cell & (women.event == 1) & (women.time <= 5)).sum()
        assert row["n_patients"] == len(set(women.ids[cell]))

    def test_no_exam_is_lost_but_those_of_unknown_density(self, table):
        assert table["n_exams"].sum() == 5900
        assert table["share"].sum() == pytest.approx(1.0)

    def test_recovers_the_planted_risk_where_rows_matter_and_columns_do_not(
        self, women, groups, table
    ):
        for row in table.itertuples():
            cell = (groups[0] == row.row) & (groups[1] == row.column)
            truth = np.average(women.risk[cell], weights=women.weight[cell])
            assert row.incidence == pytest.approx(truth, abs=0.06)
        by_row = table.groupby("row", sort=False)["incidence"].agg(["min", "max"])
        assert by_row.loc["low", "max"] < by_row.loc["high", "min"]

    def test_small_and_empty_cells_stay_with_their_reason(self, women, groups):
        density = np.full(6000, "a", dtype=object)
        density[:10] = "b"
        table = grid.risk_grid(
            groups[0], density, THIRDS, DENSITIES, *women.outcome, 5.0, *women.rest
        )
        assert len(table) == 12
        assert table[table["column"] != "a"]["incidence"].isna().all()
        assert table[table["column"] == "d"]["reason"].unique().tolist() == [
            "not estimable: 0 patients, fewer than 20"
        ]

    def test_refusals(self, women, groups):
        with pytest.raises(ValueError, match="column_group holds d; valid: a, b, c"):
            grid.risk_grid(*groups, THIRDS, "abc", *women.outcome, 5.0, *women.rest)
        with pytest.raises(ValueError, match="row_group has shape"):
            grid.risk_grid(
                groups[0][:5], groups[1], THIRDS, DENSITIES, *women.outcome, 5.0, *women.rest
            )


class TestContrast:
    def test_is_the_difference_of_the_two_and_finds_the_planted_one(self, women, groups):
        first, second = groups[0] == "high", groups[0] == "low"
        one = grid.incidence_contrast(first, second, *women.outcome, 5.0, *women.rest)
        assert one.difference.value == one.first.value - one.second.value
        assert one.ratio.value == one.first.value / one.second.value
        truth = [
            np.average(women.risk[cell], weights=women.weight[cell]) for cell in (first, second)
        ]
        assert one.difference.low < truth[0] - truth[1] < one.difference.high
        assert one.ratio.low < truth[0] / truth[1] < one.ratio.high
        back = grid.incidence_contrast(second, first, *women.outcome, 5.0, *women.rest)
        assert back.difference.low == pytest.approx(-one.difference.high, abs=1e-12)

    def test_refusals(self, women, groups):
        high = groups[0] == "high"
        with pytest.raises(ValueError, match="first and second share"):
            grid.incidence_contrast(high, high, *women.outcome, 5.0, *women.rest)
        with pytest.raises(ValueError, match="second holds fewer than two patients"):
            grid.incidence_contrast(high, np.zeros(6000), *women.outcome, 5.0, *women.rest)


class TestTypicalExams:
    def test_is_the_one_nearest_the_median(self):
        ids = np.array(["e5", "e4", "e3", "e2", "e1", "x"])
        group = ["low"] * 5 + ["high"]
        picked = grid.typical_exams(
            group, ["a"] * 6, ("low", "high"), ("a", "b"), [[1, 2, 3, 4, 5, 6]], ids
        )
        assert picked["exam_id"].tolist() == ["e3", None, "x", None]
        shown = ids != "e3"  # e2 and e4 are equally near: the first in order of id
        picked = grid.typical_exams(
            group, ["a"] * 6, ("low", "high"), ("a",), [[1, 2, 3, 4, 5, 6]], ids, shown
        )
        assert picked["exam_id"].tolist() == ["e2", "x"]

    def test_the_order_of_rows_and_the_scale_of_scores_are_nothing(self, women, groups):
        ids = np.char.add("E", np.arange(6000).astype(str)).astype(object)
        other = np.random.default_rng(2).normal(size=6000)
        one = grid.typical_exams(*groups, THIRDS, DENSITIES, [women.risk, other], ids)
        rows = np.random.default_rng(3).permutation(6000)
        again = grid.typical_exams(
            groups[0][rows], groups[1][rows], THIRDS, DENSITIES,
            [np.log(women.risk[rows]), np.exp(other[rows])], ids[rows],
        )  # fmt: skip
        assert one.equals(again)
        at = {one: k for k, one in enumerate(ids)}
        for pick in one.itertuples():
            assert groups[0][at[pick.exam_id]] == pick.row
            assert groups[1][at[pick.exam_id]] == pick.column

    def test_an_id_twice_is_refused(self):
        with pytest.raises(ValueError, match="exam_ids must be distinct"):
            grid.typical_exams(["a"] * 2, ["a"] * 2, "a", "a", [[1, 2]], ["e", "e"])
