"""One risk in place of another: counts by hand, plain rates, a planted truth under censoring."""

import numpy as np
import pytest

from mammolab.evaluate import decision_curve
from mammolab.evaluate import reclassification as rc
from mammolab.evaluate.resampling import PatientBootstrap
from mammolab.evaluate.risk_grid import risk_grid
from mammolab.evaluate.risk_groups import threshold_groups, threshold_names

CUTS = [0.08, 0.2]


@pytest.fixture(scope="module")
def women(follow):
    return follow(1, 4000)


@pytest.fixture(scope="module")
def old(women):
    """A risk that knows a part of the truth."""
    noise = np.exp(np.random.default_rng(1).normal(size=4000))
    return np.clip(0.6 * women.risk * noise, 0, 1)


class TestTable:
    def test_is_the_grid_of_the_groups_with_the_predictions(self, women, old):
        table = rc.reclassification_table(old, women.risk, CUTS, *women.outcome, 5.0, *women.rest)
        names = threshold_names(CUTS)
        groups = threshold_groups(old, CUTS), threshold_groups(women.risk, CUTS)
        direct = risk_grid(*groups, names, names, *women.outcome, 5.0, *women.rest)
        assert table[direct.columns].equals(direct)
        inside = (groups[0] == names[1]) & (groups[1] == names[2])
        row = table.iloc[5]
        weight = women.weight[inside]
        assert row["predicted_old"] == pytest.approx(np.average(old[inside], weights=weight))
        assert row["predicted_new"] == pytest.approx(np.average(women.risk[inside], weights=weight))
        # where they disagree the women do as the true risk says
        assert abs(row["predicted_new"] - row["incidence"]) < abs(
            row["predicted_old"] - row["incidence"]
        )

    def test_an_empty_cell_has_no_prediction(self, women, old):
        table = rc.reclassification_table(old, old, CUTS, *women.outcome, 5.0, *women.rest)
        off = table[table["row"] != table["column"]]
        assert off["predicted_old"].isna().all() and (off["n_exams"] == 0).all()


class TestThresholds:
    def test_by_hand(self):
        # four cases, six others; old calls 2 and 3 of them, new calls 3 and 1
        event = [1] * 4 + [0] * 6
        time = [2.0] * 4 + [6.0] * 6
        old = np.array([0.5, 0.5, 0.1, 0.1, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1])
        new = np.array([0.5, 0.5, 0.5, 0.1, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
        ids = [f"P{k}" for k in range(10)]
        bootstrap = PatientBootstrap.draw(ids, 30, seed=1)
        table = rc.threshold_comparison(old, new, [0.2], time, event, 5.0, ids, None, bootstrap)
        table = table.set_index("quantity")
        assert table.loc["called", ["old", "new"]].tolist() == [0.5, 0.4]
        assert table.loc["sensitivity", ["old", "new"]].tolist() == [0.5, 0.75]
        assert table.loc["specificity", ["old", "new"]].tolist() == pytest.approx([0.5, 5 / 6])
        benefit = [(2 - 3 / 4) / 10, (3 - 1 / 4) / 10]
        assert table.loc["net_benefit", ["old", "new"]].tolist() == pytest.approx(benefit)
        assert table.loc["sensitivity", "difference"] == 0.25
        moves = rc.moves_between_groups(
            old, new, [0.2], time, event, 5.0, ids, None, bootstrap
        ).set_index("among")
        assert moves.loc["cases", ["up", "down", "net"]].tolist() == [0.25, 0.0, 0.25]
        assert moves.loc["others", ["up", "down", "net"]].tolist() == pytest.approx(
            [0, 1 / 3, 1 / 3]
        )
        assert moves[["n_exams", "n_up", "n_down"]].to_numpy().tolist() == [[4, 1, 0], [6, 0, 2]]

    def test_without_censoring_it_is_the_decision_curve(self, follow):
        women = follow(2, leaving_years=np.inf)
        ids, weight, bootstrap = women.rest
        old = np.sqrt(women.risk) / 3
        table = rc.threshold_comparison(old, women.risk, CUTS, *women.outcome, 5.0, *women.rest)
        table = table[table["quantity"] == "net_benefit"]
        for name, risk in (("old", old), ("new", women.risk)):
            curve = decision_curve.decision_curve(
                risk, women.case, CUTS, ids, weight, bootstrap
            ).model
            np.testing.assert_allclose(table[name], curve.value, atol=1e-12)
            np.testing.assert_allclose(table[f"{name}_low"], curve.low, atol=1e-6)
            np.testing.assert_allclose(table[f"{name}_high"], curve.high, atol=1e-6)

    def test_recovers_the_truth_under_censoring(self, follow):
        women = follow(3, 40_000, leaving_years=2.5, n_replicates=20)
        late = women.cancer_years > 2.5  # the risk knows early cancers better
        new = np.clip(women.risk * np.where(late, 1.0, 2.0), 0, 1)
        called = new >= 0.2
        truth = np.average(called[women.case], weights=women.weight[women.case])
        spared = np.average(~called[~women.case], weights=women.weight[~women.case])
        table = rc.threshold_comparison(
            women.risk, new, [0.2], *women.outcome, 5.0, *women.rest
        ).set_index("quantity")
        assert table.loc["sensitivity", "new"] == pytest.approx(truth, abs=0.02)
        assert table.loc["specificity", "new"] == pytest.approx(spared, abs=0.01)
        seen = (women.event == 1) & (women.time <= 5)
        naive = np.average(called[seen], weights=women.weight[seen])
        assert naive - truth > 0.04

    def test_two_groups_move_as_sensitivity_and_specificity_do(self, women, old):
        args = [0.1], *women.outcome, 5.0, *women.rest
        moves = rc.moves_between_groups(old, women.risk, *args)
        table = rc.threshold_comparison(old, women.risk, *args).set_index("quantity")
        for row, quantity in zip(moves.itertuples(), ("sensitivity", "specificity"), strict=True):
            change = table.loc[quantity, ["difference", "difference_low", "difference_high"]]
            np.testing.assert_allclose(
                [row.net, row.net_low, row.net_high], change.astype(float), atol=1e-9
            )

    def test_a_model_against_itself_changes_nothing(self, women, old):
        table = rc.threshold_comparison(old, old, CUTS, *women.outcome, 5.0, *women.rest)
        changes = table[["difference", "difference_low", "difference_high"]]
        assert (changes == 0).all(axis=None)
        moves = rc.moves_between_groups(old, old, CUTS, *women.outcome, 5.0, *women.rest)
        assert (moves[["up", "down", "net_low", "net_high"]] == 0).all(axis=None)

    def test_the_sum_of_the_parts_would_praise_a_model_made_worse(self, women):
        """Every risk doubled: nobody is ranked otherwise, and the net benefit falls."""
        wrong = np.clip(2 * women.risk, 0, 1)
        args = [0.4], *women.outcome, 5.0, *women.rest
        moves = rc.moves_between_groups(women.risk, wrong, *args)
        assert moves["net"].sum() > 0
        table = rc.threshold_comparison(women.risk, wrong, *args).set_index("quantity")
        assert table.loc["net_benefit", "difference"] < 0

    def test_weights_are_repeats_and_order_is_nothing(self, women, old):
        rows = np.arange(400)
        doubled = rows[::3]
        weight = np.ones(400)
        weight[doubled] = 2
        drawn = np.random.default_rng(1).permutation(np.append(rows, doubled))
        arrays = old, women.risk, women.time, women.event

        def run(chosen, of):
            a, b, time, event = (x[chosen] for x in arrays)
            rest = time, event, 5.0, women.ids[chosen], of, women.bootstrap
            return rc.threshold_comparison(a, b, CUTS, *rest), rc.moves_between_groups(
                a, b, CUTS, *rest
            )

        for one, other in zip(run(rows, weight), run(drawn, None), strict=True):
            numbers = one.select_dtypes(float).columns
            np.testing.assert_allclose(one[numbers], other[numbers], atol=1e-6)

    @pytest.mark.parametrize(
        ("cuts", "words"),
        [([0.0], "inside"), ([0.1, 1.0], "inside")],
    )
    def test_thresholds_outside_are_refused(self, women, old, cuts, words):
        with pytest.raises(ValueError, match=words):
            rc.threshold_comparison(old, old, cuts, *women.outcome, 5.0, *women.rest)

    def test_risks_outside_and_falling_thresholds_are_refused(self, women, old):
        with pytest.raises(ValueError, match=r"probability must lie in \[0, 1\]"):
            rc.moves_between_groups(old + 1, old, CUTS, *women.outcome, 5.0, *women.rest)
        with pytest.raises(ValueError, match="thresholds must rise"):
            rc.moves_between_groups(old, old, CUTS[::-1], *women.outcome, 5.0, *women.rest)


def test_past_follow_up_nothing_is_known_of_the_others():
    ids = [f"P{k}" for k in range(6)]
    bootstrap = PatientBootstrap.draw(ids, 20, seed=1)
    time, event = [1.0, 2.0, 3.0, 3.0, 3.0, 3.0], [1, 1, 0, 0, 0, 0]
    risk = np.linspace(0.1, 0.6, 6)
    table = rc.threshold_comparison(risk, risk, [0.3], time, event, 5.0, ids, None, bootstrap)
    table = table.set_index("quantity")
    assert np.isnan(table.loc["specificity", "old"])
    assert table.loc["sensitivity", "old"] == 0.0
