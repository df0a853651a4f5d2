"""`mammolab risk` from end to end: what it writes, what it says, and what it leaves alone."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from mammolab import cli, paths
from mammolab.clinic.risk_example import risk_example_rows
from mammolab.clinic.risk_figure import risk_histogram
from mammolab.risk.gail import gail_risk

FILES = ["five_year_risk.svg", "problems.csv", "risk.csv", "risk.json"]


def run(monkeypatch, capsys, *arguments) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `mammolab risk`."""
    monkeypatch.setattr(sys, "argv", ["mammolab", "risk", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code or 0, *capsys.readouterr()


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def command(monkeypatch, capsys):
    """`run` without its fixtures."""
    return lambda *arguments: run(monkeypatch, capsys, *arguments)


def test_every_row_in_its_order_and_problems_listed(women, write, tmp_path, command):
    table = women.astype({"age_years": object, "n_biopsies": object})
    table.loc[[4, 11], "age_years"] = ["17", ""]
    table.loc[11, "n_biopsies"] = "x"
    code, said, wrong = command(write(table, "women.csv"), "--out", tmp_path / "out")
    assert (code, wrong) == (0, "")
    assert sorted(contents(tmp_path / "out")) == FILES
    written = pd.read_csv(tmp_path / "out" / "risk.csv", dtype={"exam_id": str})
    assert written["exam_id"].tolist() == table["exam_id"].tolist()
    good = ~written.index.isin([4, 11])
    np.testing.assert_allclose(
        written.loc[good, "risk_5y_gail"], gail_risk(women)[good], rtol=0, atol=5.1e-9
    )
    assert written.loc[~good, ["risk_5y_gail", "risk_10y_gail", "risk_to_90_gail"]].isna().all(None)
    problems = pd.read_csv(tmp_path / "out" / "problems.csv", dtype=str, keep_default_na=False)
    assert problems[["exam_id", "row", "column", "value"]].values.tolist() == [
        ["00004", "6", "age_years", "17"],
        ["00011", "13", "age_years", ""],
        ["00011", "13", "n_biopsies", "x"],
    ]
    lines = said.splitlines()
    assert lines[0] == "women.csv: 60 women, 58 scored, 2 with problems (problems.csv)"
    assert lines[1].startswith("  row 6: age_years '17' is not from 20 to below 90")
    assert any(line.startswith("Gail, 5 years: median ") for line in lines)
    assert "at 1.67% or more" in said and "at 3% or more" in said and "at 20% or more" in said
    assert lines[-1] == f"table: {tmp_path / 'out' / 'risk.csv'}"
    record = json.loads((tmp_path / "out" / "risk.json").read_text())
    assert (record["n_rows"], record["n_with_problems"]) == (60, 2)


def test_trained_models_of_a_folder_and_of_a_run(
    women, write, tmp_path, models_folder, monkeypatch, command
):
    path = write(women, "women.csv")
    command(path, "--out", tmp_path / "folder", "--models", models_folder, "--horizon", 8)
    written = pd.read_csv(tmp_path / "folder" / "risk.csv")
    for name in ("gail", "risk_factors", "image", "hybrid"):
        assert written[f"risk_5y_{name}"].notna().all()
        assert written[f"risk_8y_{name}"].notna().all()
    root = tmp_path / "root"
    (root / "build" / "mine" / "models").mkdir(parents=True)
    (root / "build" / "mine" / "models" / "risk").symlink_to(models_folder)
    (models_folder.parents[1] / "run.json").write_text('{"raw": null}')
    monkeypatch.setenv("MAMMOLAB_ROOT", str(root))
    assert paths.repository_root() == root
    code, said, _ = command(path, "--out", tmp_path / "run", "--run", "mine", "--horizon", 8)
    assert code == 0 and "synthetic women only" in said
    assert (tmp_path / "run" / "risk.csv").read_bytes() == (
        tmp_path / "folder" / "risk.csv"
    ).read_bytes()
    code, said, wrong = command(path, "--out", tmp_path / "none", "--run", "mein")
    assert code == 2 and "closest first: mine" in wrong and not (tmp_path / "none").exists()


def test_the_same_bytes_again_in_the_place_of_the_first(women, write, tmp_path, command):
    path = write(women)
    command(path, "--out", tmp_path / "one")
    command(path, "--out", tmp_path / "two")
    first = contents(tmp_path / "one")
    assert first == contents(tmp_path / "two")
    command(path, "--out", tmp_path / "one")
    assert contents(tmp_path / "one") == first


def test_other_files_are_never_overwritten(women, write, tmp_path, command):
    path, out = write(women), tmp_path / "out"
    command(path, "--out", out)
    (out / "notes.txt").write_text("mine")
    before = contents(out)
    code, _, wrong = command(path, "--out", out)
    assert code == 2 and "not of an earlier mammolab risk, such as notes.txt" in wrong
    assert contents(out) == before


def test_no_woman_scored_is_no_error(women, write, tmp_path, command):
    code, said, _ = command(write(women.assign(age_years=12)), "--out", tmp_path / "out")
    assert code == 0 and "0 scored" in said
    assert sorted(contents(tmp_path / "out")) == [one for one in FILES if "svg" not in one]


def test_the_example_can_be_written_and_used(tmp_path, command):
    path, out = tmp_path / "example.csv", tmp_path / "out"
    assert command("--example", path)[0] == 0
    code, said, _ = command(path, "--out", out)
    assert code == 0
    assert "Synthetic data: nothing of this is a clinical finding." in said.splitlines()
    assert "240 women, 238 scored, 2 with problems" in said
    record = json.loads((out / "risk.json").read_text())
    assert record["synthetic"] and record["columns_unused"] == [
        "density", "menopausal_status", "bmi",
    ]  # fmt: skip
    code, _, wrong = command("--example", path)
    assert code == 2 and "is there already" in wrong


def test_the_example_is_marked_row_by_row():
    header, *rows = risk_example_rows()
    assert header[-1] == "synthetic"
    assert all(row[0].startswith("EXAMPLE-") and row[-1] == "yes" for row in rows)
    assert all(len(row) == len(header) for row in rows)


def test_the_histogram_counts_every_woman_and_tells_the_shares():
    from matplotlib.figure import Figure

    risk = np.array([0.004, 0.0167, 0.02, 0.03, 0.09])
    ax = risk_histogram(Figure().subplots(), risk, np.geomspace(0.001, 0.1, 21))
    assert sum(bar.get_height() for bar in ax.patches) == len(risk)
    told = [text.get_text().strip() for text in ax.texts]
    assert told == ["1.67%: 80.0% at or above", "3%: 40.0% at or above"]


SPOILT = {
    # a table, and words that its sentence must hold
    "no id": (lambda t: t.drop(columns="exam_id"), ["lacks the column(s) exam_id", "patient_id"]),
    "no age": (lambda t: t.drop(columns="age_years"), ["age_years", "birth_date and exam_date"]),
    "only one date": (
        lambda t: t.drop(columns="age_years").assign(birth_date="1970-01-01"), ["age_years"],
    ),
    "a factor missing": (
        lambda t: t.drop(columns="n_biopsies"), ["lacks the column(s) n_biopsies", "blank column"],
    ),
    "a factor misspelt": (
        lambda t: t.rename(columns={"family_history_n": "family_history"}),
        ["family_history_n (rename family_history?)"],
    ),
    "column twice": (
        lambda t: t.assign(Atypia=0).rename(columns={"Atypia": "atypia"}),
        ["column atypia more than once"],
    ),
    "id twice": (
        lambda t: t.assign(exam_id=["A", "A", *t["exam_id"][2:]]),
        ["exam_id repeats an exam", "2 of 60", "row 2", "exam A"],
    ),
    "woman twice": (
        lambda t: t.drop(columns="exam_id").assign(woman_id=["A", "A", *t["exam_id"][2:]]),
        ["woman_id repeats a woman", "woman A"],
    ),
    "id blank": (
        lambda t: t.assign(exam_id=["", *t["exam_id"][1:]]), ["exam_id is blank", "row 2"],
    ),
    "synthetic perhaps": (lambda t: t.assign(synthetic="perhaps"), ["synthetic", "'perhaps'"]),
    "no rows": (lambda t: t.head(0), ["no rows"]),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "words"), SPOILT.values(), ids=SPOILT)
def test_a_spoilt_table_is_answered_with_one_sentence(
    women, write, tmp_path, command, spoil, words
):
    code, said, wrong = command(write(spoil(women), "women.csv"), "--out", tmp_path / "out")
    assert (code, said) == (2, "")
    assert wrong.startswith("error: ") and wrong.count("\n") == 1
    for word in ["women.csv", *words]:
        assert word in wrong
    assert [one.name for one in tmp_path.iterdir()] == ["women.csv"]


FILES_OF_NO_USE = {
    "absent": (None, ["there is no file"]),
    "empty": (b" \n", ["is empty"]),
    "a workbook": (b"PK\x03\x04" + bytes(40), ["save the table as CSV"]),
    "binary": (bytes(range(256)), ["not a text table"]),
    "a sentence": (b"these are no women\n1\n", ["lacks the column(s) exam_id"]),
    "a longer row": (b"exam_id,age_years\nE1,52,3\nE2,40\n", ["2 columns", "row 2, which has 3"]),
}


@pytest.mark.parametrize(("content", "words"), FILES_OF_NO_USE.values(), ids=FILES_OF_NO_USE)
def test_a_file_that_is_no_table_is_answered_with_one_sentence(tmp_path, command, content, words):
    path = tmp_path / "women.csv"
    if content is not None:
        path.write_bytes(content)
    code, said, wrong = command(path, "--out", tmp_path / "out")
    assert (code, said) == (2, "") and wrong.count("\n") == 1
    for word in ["women.csv", *words]:
        assert word in wrong
    assert not (tmp_path / "out").exists()


def in_the_way(folder):
    (folder / "file").write_text("mine")
    return folder / "file"


OPTIONS = {
    "horizon": (lambda f, m: ["--out", f / "out", "--horizon", "0"], ["--horizon", "70"]),
    "no models there": (
        lambda f, m: ["--out", f / "out", "--models", f], ["factors.json", "09_risk"],
    ),
    "no run yet": (
        lambda f, m: ["--out", f / "out", "--run", "demo"], ["--run demo: no run", "09_risk"],
    ),
    "run and models": (
        lambda f, m: ["--out", f / "out", "--run", "demo", "--models", m], ["not both"],
    ),
    "a file for a folder": (lambda f, m: ["--out", f / "risk.csv"], ["names a folder", "risk.csv"]),
    "a file in the way": (lambda f, m: ["--out", in_the_way(f)], ["names a file, not a folder"]),
    "no folder": (lambda f, m: [], ["mammolab risk TABLE.csv --out DIR"]),
}  # fmt: skip


@pytest.mark.parametrize(("options", "words"), OPTIONS.values(), ids=OPTIONS)
def test_an_option_that_cannot_be(
    women, write, tmp_path, models_folder, monkeypatch, command, options, words
):
    monkeypatch.setenv("MAMMOLAB_ROOT", str(tmp_path))  # where no run is
    code, said, wrong = command(write(women), *options(tmp_path, models_folder))
    assert (code, said) == (2, "") and wrong.count("\n") == 1
    for word in words:
        assert word in wrong
    assert {one.name for one in tmp_path.iterdir()} <= {"scores.csv", "file"}


def test_a_file_that_is_no_model(women, write, tmp_path, command):
    models = tmp_path / "models"
    models.mkdir()
    (models / "factors.json").write_text('{"weights": []}')
    code, _, wrong = command(write(women), "--out", tmp_path / "out", "--models", models)
    assert code == 2 and "factors.json is not a risk model of this version" in wrong


def test_help_lists_what_the_table_may_hold(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "120")
    code, said, _ = run(monkeypatch, capsys, "--help")
    assert code == 0
    for column in risk_example_rows()[0][:-1]:
        assert column in said
