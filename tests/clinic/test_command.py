"""`mammolab triage` from end to end: what it writes, on two pages, and what it leaves alone."""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mammolab import cli
from mammolab.clinic import words
from mammolab.clinic.analysis import analyse
from mammolab.clinic.command import TriageRequest, triage
from mammolab.clinic.example import example_rows, write_example
from mammolab.clinic.figures import MOST_ROWS, shown_levels
from mammolab.clinic.scores import read_scores
from mammolab.clinic.settings import Settings
from mammolab.clinic.sheet import content, set_sheet
from mammolab.errors import InputError
from mammolab.evaluate.paired import PairedCounts, noninferiority_p
from mammolab.evaluate.thresholds import cancers_needed
from mammolab.paths import repository_root

QUICK = Settings(n_replicates=100)
FILES = {
    "calibrator.json", "certificate.json", "missed.csv", "numbers.json", "report.pdf", "rules.csv",
    "scores_calibrated.csv", "simulation.csv", "subgroups.csv", "threshold.json", "triage.json",
    "figures/percentiles.svg", "figures/readers.svg", "figures/reliability.svg", "figures/roc.svg",
    "figures/subgroups.svg", "figures/threshold.svg",
}  # fmt: skip


def contents(folder) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(path, out, settings=QUICK, **how) -> list[str]:
    said: list[str] = []
    triage(TriageRequest(path, settings, **how), out, said.append)
    return said


def n_pages(path, out, settings=QUICK, **how) -> int:
    """Pages of the sheet, counted by typst, which draws one picture a page."""
    analysis = analyse(read_scores(path, **how), settings)
    figures = sorted((out / "figures").glob("*.svg"))
    return len(set_sheet(analysis, figures, out / "again.pdf", png=True))


@pytest.fixture(scope="module")
def finished(make_table, tmp_path_factory):
    """A folder that holds scores.csv and out, made from it."""
    folder = tmp_path_factory.mktemp("finished")
    make_table().to_csv(folder / "scores.csv", index=False)
    run(folder / "scores.csv", folder / "out")
    return folder


class TestOutput:
    @pytest.fixture
    def out(self, finished, tmp_path):
        shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
        return tmp_path / "out"

    def test_every_file_and_nothing_beside(self, out, tmp_path):
        assert set(contents(out)) == FILES
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "scores.csv"]

    def test_two_pages(self, out, tmp_path):
        assert n_pages(tmp_path / "scores.csv", out) == 2

    def test_the_files_agree_with_each_other(self, out, table):
        scores = pd.read_csv(out / "scores_calibrated.csv", dtype={"exam_id": str})
        assert list(scores) == ["exam_id", "probability", "ruled_out", "split"]
        rule = json.loads((out / "threshold.json").read_text())
        merged = table.merge(scores, on="exam_id", validate="one_to_one")
        np.testing.assert_array_equal(merged["score"] < rule["threshold"], merged["ruled_out"] == 1)
        test = merged[merged["split"] == "test"]
        numbers = json.loads((out / "numbers.json").read_text())
        assert numbers["triage.fraction_ruled_out"]["value"] == pytest.approx(
            test["ruled_out"].mean()
        )
        for number in numbers.values():
            assert set(number) == {"value", "ci_low", "ci_high", "unit", "n", "chapter"}
        simulated = pd.read_csv(out / "simulation.csv").set_index(["measure", "setting"])
        seen = test[test["cancer"] == 1]
        kept = (seen["recall"] * (1 - seen["ruled_out"])).mean()
        assert simulated.loc[("sensitivity", "with"), "estimate"] == pytest.approx(kept)
        rules = pd.read_csv(out / "rules.csv").set_index("rule")
        assert rules.loc["certified", "threshold"] == rule["threshold"]
        assert rules["chosen"].sum() == 1
        missed = pd.read_csv(out / "missed.csv")
        lost = merged[(merged["cancer"] == 1) & (merged["ruled_out"] == 1)]
        assert set(missed["exam_id"]) == set(lost["exam_id"]) and len(lost) > 0

    def test_the_same_bytes_again_in_the_place_of_the_first(self, out, tmp_path):
        first = contents(out)
        run(tmp_path / "scores.csv", out)
        assert contents(out) == first

    def test_other_files_are_never_overwritten(self, out, tmp_path):
        (out / "notes.txt").write_text("mine")
        before = contents(out)
        with pytest.raises(InputError, match=r"1 file\(s\) that are not .* such as notes\.txt"):
            run(tmp_path / "scores.csv", out)
        assert contents(out) == before

    def test_a_mistake_leaves_an_earlier_output_alone(self, out, tmp_path, table, write):
        before = contents(out)
        with pytest.raises(InputError, match="column score"):
            run(write(table.assign(score=1)), out)
        assert contents(out) == before

    @pytest.mark.parametrize("made", ["a file", "a full folder"])
    def test_what_is_in_the_way_is_refused(self, table, write, tmp_path, made):
        out = tmp_path / "there"
        if made == "a file":
            out.write_text("mine")
        else:
            out.mkdir()
            (out / "mine").write_text("mine")
        with pytest.raises(InputError, match="there"):
            run(write(table), out)

    def test_an_empty_folder_is_taken(self, table, write, tmp_path):
        (tmp_path / "empty").mkdir()
        run(write(table), tmp_path / "empty")
        assert set(contents(tmp_path / "empty")) == FILES


def wide(table):
    names = {f"hospital no. {k} of a very long name": k for k in range(30)}
    rng = np.random.default_rng(2)
    return table.assign(
        device=rng.choice(list(names), len(table)),
        site=rng.choice(
            ["the $100 clinic", "#co & <sons> *of* _nowhere_", "[x]", "日本"], len(table)
        ),
        exam_id=[f"an-accession-number-of-great-length-{k:09d}" for k in range(len(table))],
    )


SHAPES = {
    "no readers, no subgroup": (
        lambda t: t.drop(columns="recall"),
        {"subgroups": "none"},
        {"rule": "minimum"},
    ),
    "many levels, long and odd names": (wide, {}, {"rule": "mean_of_bootstrap_minima"}),
    "low is suspicious, no probabilities": (
        lambda t: t.assign(score=-10 * np.log(t["score"])),
        {"lower_is_suspicious": True},
        {"calibrator": "beta"},
    ),
    "weights and a map with steps": (
        lambda t: t.assign(weight=np.where(t["cancer"], 1, 60)),
        {},
        {"calibrator": "isotonic"},
    ),
    "no exam is ruled out": (lambda t: t.assign(score=t["score"].round(1)), {}, {"rule": "minimum"}),
    "one cancer a side": (
        lambda t: t[(t["cancer"] == 0) | t["patient_id"].isin(["00002", "00202"])].assign(
            recall=1, split=lambda u: np.where(u["patient_id"] < "00200", "dev", "test")
        ),
        {"subgroups": "density"},
        {"rule": "minimum"},
    ),
    "all cancers caught, none lost": (
        lambda t: t.assign(score=np.where(t["cancer"], 0.9, 0.1) + t["score"] / 100, recall=1), {},
        {"calibrator": "platt"},
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("error", "ignore:Glyph")
@pytest.mark.parametrize("shape, reading, settings", SHAPES.values(), ids=SHAPES)
def test_two_pages_whatever_comes(table, write, tmp_path, shape, reading, settings):
    path, out = write(shape(table)), tmp_path / "out"
    asked = replace(QUICK, **settings)
    said = run(path, out, asked, **reading)
    assert said[-1] == f"report: {out / 'report.pdf'}"
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    assert n_pages(path, out, asked, **reading) == 2


def test_the_forest_is_cut_and_says_so(table, write):
    result = analyse(read_scores(write(wide(table))), QUICK)
    shown, left_out = shown_levels(result)
    assert len(shown) <= MOST_ROWS and left_out > 0
    n_levels = sum(result.test[name].nunique() for name in ("density", "device", "site"))
    assert len(shown) - 1 + left_out == n_levels


def test_synthetic_scores_are_marked_and_others_are_not(table, write):
    scores = read_scores(write(table))
    for synthetic in (False, True):
        result = analyse(replace(scores, synthetic=synthetic), QUICK)
        assert content(result, [])["synthetic"] is synthetic
        assert any("Synthetic data" in line for line in words.summary(result)) is synthetic


def test_the_example_can_be_written_and_used(tmp_path, monkeypatch, capsys):
    path, out = tmp_path / "example.csv", tmp_path / "out"
    for arguments in (["--example", path], [path, "--out", out, "--replicates", 100]):
        monkeypatch.setattr(sys, "argv", ["mammolab", "triage", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert not stop.value.code
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == f"report: {out / 'report.pdf'}"
    assert "Synthetic data: nothing of this is a clinical finding." in told
    record = json.loads((out / "triage.json").read_text())
    assert record["synthetic"] and record["subgroups"] == ["density", "device"]
    with pytest.raises(InputError, match="is there already"):
        write_example(path, example_rows())


def test_the_example_is_marked_row_by_row():
    header, *rows = example_rows()
    assert all(row[0].startswith("EXAMPLE-") and row[-1] == "yes" for row in rows)
    assert header[-1] == "synthetic"


def test_real_readers(shared_data, tmp_path):
    """Half of the NYU reader study: 730 breasts, a network's score, one reader's opinion."""
    study = pd.read_csv(shared_data / "nyu_reader_study" / "results_half_by_exam.csv")
    case = study["case_ID"].astype(str)
    scores = pd.DataFrame(
        {
            "patient_id": case,
            "exam_id": case + study["side"],
            "score": study["AI_GMIC_top5_POM"],
            "cancer": study["label"],
            "recall": (study["Reader01_POM"] >= 0.1).astype(int),
            "side": study["side"],
        }
    )
    path, out = tmp_path / "nyu.csv", tmp_path / "out"
    scores.to_csv(path, index=False)
    with pytest.raises(InputError, match="cannot certify a sensitivity of 95.0%.*takes 59"):
        run(path, out)
    assert not out.exists()
    run(path, out, replace(QUICK, rule="minimum"), subgroups="side")
    certificate = json.loads((out / "certificate.json").read_text())
    n_cancers = certificate["n_cancers"]
    assert certificate["certified_sensitivity"] == pytest.approx(0.05 ** (1 / n_cancers))
    numbers = json.loads((out / "numbers.json").read_text())
    decided = pd.read_csv(out / "scores_calibrated.csv").merge(scores, on="exam_id")
    assert len(decided) == 730
    lost = decided.query("split == 'test' and cancer == 1 and recall == 1 and ruled_out == 1")
    assert numbers["triage.cancers_missed"]["value"] == lost["patient_id"].nunique()
    assert 0.85 < numbers["detection.auc"]["value"] < 1
    assert not numbers["triage.noninferior"]["value"]  # so few cancers refute no loss
    assert n_pages(path, out, replace(QUICK, rule="minimum"), subgroups="side") == 2


def test_the_readme_tells_what_the_example_gives(tmp_path):
    path, out = tmp_path / "example.csv", tmp_path / "out"
    write_example(path, example_rows())
    run(path, out, Settings())
    numbers = json.loads((out / "numbers.json").read_text())
    readme = (repository_root() / "README.md").read_text()
    share = numbers["triage.fraction_ruled_out"]["value"]
    missed = numbers["triage.cancers_missed"]
    assert missed["value"] == 1 and missed["n"] == 75
    assert f"it rules out {share:.0%} of exams, one of 61 caught cancers among them" in readme
    assert not numbers["triage.noninferior"]["value"]
    assert f"with {missed['n']} cancers" in readme


def test_the_cancers_that_the_readme_asks_for_are_those_the_tests_need():
    readme = (repository_root() / "README.md").read_text()
    in_dev = cancers_needed(Settings().target_sensitivity, confidence=Settings().confidence)
    assert f"that takes {in_dev} of them in dev" in readme
    margin = Settings().margin
    in_test = next(
        n for n in range(1, 500) if noninferiority_p(PairedCounts(n, 0, 0, 0), margin) < 0.025
    )
    assert f"To refute a loss of 5 points takes {in_test} women with cancer in test" in readme
