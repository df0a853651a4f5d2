"""Every failure has a card, and the scoreboard takes the right row of each."""

import importlib
import inspect
import pkgutil
from dataclasses import asdict

import pandas as pd
import pytest

import mammolab.audit
import mammolab.pitfalls
from mammolab.errors import InputError
from mammolab.paths import repository_root
from mammolab.pitfalls.best_subgroup import best_subgroup
from mammolab.pitfalls.catalogue import CHAPTERS, FAILURES, scoreboard_rows
from mammolab.pitfalls.censoring_weights import wrong_censoring
from mammolab.pitfalls.clusters import images_independent
from mammolab.pitfalls.failure import DOSES, dose_response
from mammolab.pitfalls.hidden_subgroup import hidden_subgroup
from mammolab.pitfalls.reader_studies import automation_bias, laboratory_effect, prevalence_effect
from mammolab.pitfalls.replicates import replicate_t_test
from mammolab.report.numbers import chapter_of
from mammolab.schemas import COLUMNS, check


def table(failure: str, doses: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"failure": failure, "dose": dose, "setting": dose, "reported": 0.8, "true": 0.8 - dose / 2,
             "guard_fired": dose > 0.5}
            for dose in doses
        ]
    )  # fmt: skip


@pytest.fixture(scope="module")
def guards() -> set[str]:
    """Public functions of the laboratory and of the audit that return a verdict."""
    names = set()
    for package in (mammolab.pitfalls, mammolab.audit):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            functions = inspect.getmembers(importlib.import_module(module.name), inspect.isfunction)
            names |= {
                name
                for name, function in functions
                if function.__annotations__.get("return") == "GuardVerdict"
            }
    return {name for name in names if not name.startswith("_")}


def test_every_failure_stands_once_under_its_name():
    cards = [card for of_chapter in CHAPTERS.values() for card in of_chapter]
    assert len(cards) == len(FAILURES)
    assert all(card.name == name for name, card in FAILURES.items())
    assert len({card.title for card in cards}) == len(cards)


def test_the_guard_of_a_card_exists(guards):
    assert {card.guard for card in FAILURES.values()} <= guards


def test_every_guard_but_one_has_its_false_alarms_and_power_measured(guards):
    measured = pd.read_csv(repository_root() / "benchmarks" / "guards.csv")["guard"]
    # what a set cannot show is no mistake: cancers_needed accuses nobody
    assert guards - {"judged"} == set(measured) | {"cancers_needed"}


@pytest.mark.parametrize("card", FAILURES.values(), ids=list(FAILURES))
def test_cards_are_filled_in_and_fit_their_places(card):
    assert all(asdict(card).values())
    assert len(card.title) <= 32
    assert len(card.metric) <= 30
    assert "doi:" in card.source
    assert card.repair.endswith(".") and card.cost.endswith(".")


@pytest.mark.parametrize(
    "simulated",
    [
        images_independent,
        hidden_subgroup,
        laboratory_effect,
        prevalence_effect,
        automation_bias,
        wrong_censoring,
        replicate_t_test,
        best_subgroup,
    ],
)
def test_the_card_names_the_guard_that_speaks(simulated):
    outcome = simulated(0.5, seed=1)
    assert outcome.guard.name == FAILURES[simulated.__name__].guard
    assert outcome.guard.message.endswith(".")


def test_the_chapter_of_a_failures_numbers_is_known():
    assert chapter_of("pitfalls.wrong_censoring.true") == "13_pitfalls_analysis"
    assert chapter_of("pitfalls.scoreboard.n_failures") == "13_pitfalls_analysis"
    assert chapter_of("pitfalls.enriched_test_set.true") == "11_pitfalls_data"
    assert chapter_of("cohort.n_women") == "02_cohort"
    assert chapter_of("nothing.known") == "no known chapter"


def test_the_row_at_the_dose_or_the_nearest_one():
    tables = [table("best_subgroup", [0.0, 0.5, 1.0]), table("late_detection", [0.0, 0.7])]
    board = scoreboard_rows(tables, 1.0).set_index("failure")
    assert list(board.index) == ["late_detection", "best_subgroup"]  # order of the catalogue
    assert board["dose"].tolist() == [0.7, 1.0]
    assert board.loc["best_subgroup", "damage"] == pytest.approx(0.5)
    assert board.loc["best_subgroup", "title"] == FAILURES["best_subgroup"].title
    assert scoreboard_rows(tables, 0.0)["damage"].tolist() == [0.0, 0.0]


def test_an_empty_table_is_passed_over_and_an_unknown_failure_refused():
    known = table("best_subgroup", [1.0])
    assert len(scoreboard_rows([known.head(0), known], 1.0)) == 1
    with pytest.raises(InputError, match="best_subgrup"):
        scoreboard_rows([table("best_subgrup", [1.0])], 1.0)


def test_the_scoreboard_fits_the_table_of_failures():
    curve = dose_response(
        FAILURES["best_subgroup"], lambda dose: best_subgroup(dose, seed=1, n_studies=20), DOSES
    )
    board = scoreboard_rows([curve], 1.0)
    assert set(board.columns) == {*COLUMNS["failures"], "damage"}
    (row,) = check(board.drop(columns="damage"), "failures", "board").to_dict("records")
    assert row["chapter"] == "Analysis"
    assert (row["guard"], row["guard_fired"]) == ("disclosed_selection", True)
