"""Tables of scores in all their dialects are read rightly, or answered with one sentence."""

import sys
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest

from mammolab import cli
from mammolab.clinic.scores import read_scores
from mammolab.errors import InputError

FRAME = ["patient_id", "exam_id", "score", "cancer", "recall", "weight", "split"]


def same(one, other) -> None:
    pd.testing.assert_frame_equal(one.exams[FRAME], other.exams[FRAME])


class TestReading:
    def test_ids_stay_text_and_exams_come_in_order(self, table, write):
        scores = read_scores(write(table))
        assert scores.exams["patient_id"].iloc[0] == "00000"
        assert scores.exams["patient_id"].is_monotonic_increasing
        assert scores.subgroups == ("density",) and scores.unused == ("vendor",)
        assert (scores.scale, scores.recall_from, scores.weighted) == (
            "probability",
            "recall",
            False,
        )

    @pytest.mark.parametrize(
        "how",
        [
            {"sep": ";", "decimal": ","},
            {"sep": "\t"},
            {"sep": "|", "encoding": "utf-16"},
            {"encoding": "utf-8-sig"},
            {"lineterminator": "\r\n", "quoting": 1},
        ],
        ids=["semicolons and decimal commas", "tabs", "bars in UTF-16", "a BOM", "quoted, CRLF"],
    )
    def test_dialects_of_csv_are_one(self, table, write, how):
        plain = read_scores(write(table))
        same(read_scores(write(table, "other.csv", **how)), plain)

    def test_parquet_is_read_as_csv_is(self, table, write, tmp_path):
        table["weight"] = np.where(table["cancer"], 1.0, 12.5)
        table["recall"] = table["recall"].astype(bool)
        table["exam_id"] = np.arange(len(table)) + 1000
        table.to_parquet(tmp_path / "scores.parquet")
        same(read_scores(tmp_path / "scores.parquet"), read_scores(write(table)))

    def test_windows_letters_in_a_subgroup(self, table, write):
        table["density"] = "dünn"
        path = write(table, encoding="cp1252")
        assert set(read_scores(path).exams["density"]) == {"dünn"}

    @pytest.mark.parametrize(
        "no, yes", [("0", "1"), ("0.0", "1.0"), ("false", "TRUE"), ("No", "yes")]
    )
    def test_flags_in_words(self, table, write, no, yes):
        plain = read_scores(write(table))
        for column in ("cancer", "recall"):
            table[column] = np.where(table[column] == 1, yes, no)
        same(read_scores(write(table)), plain)

    def test_blank_subgroups_are_unknown_and_any_column_can_be_named(self, table, write):
        table.loc[:9, "vendor"] = ["", "NA", "nan", " ", "null"] * 2
        scores = read_scores(write(table), subgroups="vendor")
        assert scores.subgroups == ("vendor",) and scores.unused == ("density",)
        assert (scores.exams["vendor"] == "unknown").sum() == 10
        assert read_scores(write(table), subgroups="none").subgroups == ()

    def test_exams_of_weight_0_are_left_out_and_counted(self, table, write):
        table["weight"] = np.where(np.arange(len(table)) < 7, 0, 3)
        scores = read_scores(write(table))
        assert scores.n_weightless == 7 and len(scores.exams) == len(table) - 7

    def test_low_scores_may_be_the_suspicious_ones(self, table, write):
        scores = read_scores(write(table))
        table["score"] = 1 - table["score"]
        turned = read_scores(write(table), lower_is_suspicious=True)
        assert turned.input_in_words == "1 - score"
        np.testing.assert_allclose(
            turned.calibrator_input(turned.exams["suspicion"]), scores.exams["score"], atol=1e-15
        )

    def test_synthetic_data_say_so(self, table, write):
        assert not read_scores(write(table)).synthetic
        assert read_scores(write(table.assign(synthetic="yes"))).synthetic


class TestRecall:
    def test_birads_stands_in(self, table, write):
        birads = np.where(table["recall"] == 1, "4A", "2").astype(object)
        birads[:4] = np.where(table["recall"][:4] == 1, ["0", "3", "4.0", "5"], "1.0")
        plain = read_scores(write(table))
        by_birads = read_scores(write(table.drop(columns="recall").assign(birads=birads)))
        same(by_birads, plain)
        assert by_birads.recall_from == "birads"

    def test_birads_fills_a_blank_recall(self, table, write):
        plain = read_scores(write(table))
        birads = np.where(table["recall"] == 1, 0, 1)
        table["recall"] = table["recall"].astype(str).where(np.arange(len(table)) > 4, "")
        filled = read_scores(write(table.assign(birads=birads)))
        same(filled, plain)
        assert filled.n_from_birads == 5

    def test_recall_wins_over_birads_and_the_conflicts_are_counted(self, table, write):
        plain = read_scores(write(table))
        birads = np.where(table["recall"] == 1, 0, 1)
        birads[:3] = 1 - birads[:3]
        both = read_scores(write(table.assign(birads=birads)))
        same(both, plain)
        assert both.n_conflicts == 3 and both.n_from_birads == 0

    def test_neither_is_no_error(self, table, write):
        scores = read_scores(write(table.drop(columns="recall")))
        assert not scores.has_recall and "recall" not in scores.exams


class TestSplit:
    def test_a_hash_of_the_patient_halves_the_women(self, table, write):
        scores = read_scores(write(table))
        by_patient = scores.exams.groupby("patient_id")["split"]
        assert (by_patient.nunique() == 1).all() and scores.split_from == "hash"
        assert 0.4 < (by_patient.first() == "dev").mean() < 0.6
        # the same on every machine, and whoever else is in the file
        first = dict(by_patient.first().head(6))
        by_hand = {
            one: "dev" if sha256(f"mammolab triage|{one}".encode()).digest()[0] < 128 else "test"
            for one in first
        }
        assert first == by_hand and set(first.values()) == {"dev", "test"}
        fewer = read_scores(write(table[table["patient_id"] < "00200"]))
        assert dict(fewer.exams.groupby("patient_id")["split"].first().head(6)) == first

    def test_a_column_decides_where_there_is_one(self, table, write):
        split = np.where(table["patient_id"].astype(int) % 3 == 0, "dev", "TEST")
        scores = read_scores(write(table.assign(split=split)))
        assert (scores.exams["split"] == np.char.lower(split)).all()


def at(table, rows, column, value):
    table[column] = table[column].astype(object)
    table.loc[rows, column] = value
    return table


def half(table) -> np.ndarray:
    return np.where(table["patient_id"] < "00200", "dev", "test")


def without_class(table, split: str, cancer: int):
    table["split"] = half(table)
    return table[(table["split"] != split) | (table["cancer"] != cancer)]


SPOILT = {
    # a table, and words that its sentence must hold
    "column missing": (lambda t: t.drop(columns="cancer"), ["lacks", "cancer", "needed"]),
    "column in capitals": (lambda t: t.rename(columns={"score": "Score"}), ["rename Score?"]),
    "column without underscore": (
        lambda t: t.rename(columns={"patient_id": "patientid"}), ["rename patientid?"],
    ),
    "column twice": (lambda t: t.assign(Score=1).rename(columns={"Score": "score"}),
                     ["column score more than once"]),
    "exam twice": (lambda t: at(t, [3, 8], "exam_id", "E1"), ["exam_id", "2 of", "row 5", "E1"]),
    "patient blank": (lambda t: at(t, [2], "patient_id", ""), ["patient_id", "blank", "row 4"]),
    "exam blank": (lambda t: at(t, [2], "exam_id", ""), ["exam_id", "blank", "row 4"]),
    "score blank": (lambda t: at(t, [0, 1], "score", ""), ["score", "2 of", "E00000", "row 2"]),
    "score text": (lambda t: at(t, [5], "score", "high"), ["score", "'high'", "E00005"]),
    "score infinite": (lambda t: at(t, [5], "score", "-inf"), ["score", "infinite", "E00005"]),
    "score constant": (lambda t: t.assign(score=0.4), ["score", "0.4", "tells no exam"]),
    "score with a decimal comma": (
        lambda t: at(t, [5], "score", "0,7"), ["score", "decimal commas", "E00005"],
    ),
    "score upside down": (
        lambda t: t.assign(score=-t["score"]), ["ranks cancers below", "--lower-is-suspicious"],
    ),
    "cancer neither": (lambda t: at(t, [7], "cancer", "2"), ["cancer", "'2'", "0, 1", "E00007"]),
    "cancer blank": (lambda t: at(t, [7], "cancer", "nan"), ["cancer", "blank", "E00007"]),
    "no cancer in dev": (lambda t: without_class(t, "dev", 1), ["dev", "no cancer"]),
    "no cancer in test": (lambda t: without_class(t, "test", 1), ["test", "no cancer"]),
    "only cancers in test": (
        lambda t: without_class(t, "test", 0), ["test", "no exam without cancer"],
    ),
    "no caught cancer": (lambda t: t.assign(recall=0), ["none of the", "recall"]),
    "recall neither": (lambda t: at(t, [1], "recall", "perhaps"), ["recall", "'perhaps'", "yes"]),
    "recall blank": (lambda t: at(t, [1], "recall", ""), ["recall", "blank", "E00001"]),
    "birads 6": (lambda t: at(t.assign(birads=1), [1], "birads", 6), ["birads", "6", "E00001"]),
    "birads unknown": (lambda t: at(t.assign(birads=1), [1], "birads", 9), ["birads", "'9'", "4A"]),
    "birads blank": (
        lambda t: at(t.drop(columns="recall").assign(birads=1), [1], "birads", ""),
        ["birads", "blank"],
    ),
    "patient in both": (
        lambda t: t.assign(split=np.where(np.arange(len(t)) % 2, "dev", "test")),
        ["split", "both dev and test"],
    ),
    "split unknown": (
        lambda t: at(t.assign(split=half(t)), [0], "split", "train"),
        ["split", "'train'", "dev, test"],
    ),
    "weight negative": (lambda t: at(t.assign(weight=2), [4], "weight", -1), ["weight", "negative"]),
    "weight blank": (lambda t: at(t.assign(weight=2), [4], "weight", ""), ["weight", "blank"]),
    "weight zero": (lambda t: t.assign(weight=0), ["weight is 0 in all"]),
    "weight normalised": (lambda t: t.assign(weight=1 / len(t)), ["weight sums to 1", "normalised"]),
    "cancers of unequal weight": (
        lambda t: at(t.assign(weight=1), t.index[t["cancer"] == 1][:20], "weight", 3),
        ["weight differs", "certified", "exam E"],
    ),
    "too few patients": (lambda t: t[t["patient_id"] < "00030"], ["patients", "at least 20"]),
    "too few cancers": (
        lambda t: t[(t["cancer"] == 0) | (t["patient_id"] < "00100")],
        ["cannot certify", "that takes 59", "--rule minimum"],
    ),
    "too many levels": (
        lambda t: t.assign(density=np.arange(len(t)) % 40), ["density", "40 different", "30"],
    ),
    "no exam": (lambda t: t.head(0), ["no rows"]),
}  # fmt: skip


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str]:
    """Exit code and standard error of `mammolab triage`."""
    monkeypatch.setattr(sys, "argv", ["mammolab", "triage", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code, capsys.readouterr().err


@pytest.mark.parametrize("spoil, words", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_table_is_answered_with_one_sentence(
    table, write, tmp_path, monkeypatch, capsys, spoil, words
):
    path = write(spoil(table))
    code, said = run(monkeypatch, capsys, path, "--out", tmp_path / "out")
    assert code == 2
    assert said.startswith("error: ") and said.count("\n") == 1
    for word in ["scores.csv", *words]:
        assert word in said
    assert [one.name for one in tmp_path.iterdir()] == ["scores.csv"]


FILES = {
    "absent": (None, ["there is no file"]),
    "empty": (b" \n", ["is empty"]),
    "a workbook": (b"PK\x03\x04" + bytes(40), ["save the table as CSV"]),
    "binary": (bytes(range(256)), ["not a text table"]),
    "a sentence": (b"these are no scores\n1\n", ["lacks the column(s) patient_id"]),
    "a longer row": (
        b"patient_id,exam_id,score,cancer\nP1,E1,0,5,1\nP2,E2,0.4,0\n",
        ["4 columns", "row 2, which has 5", "decimal comma"],
    ),
    "an open quote": (b'patient_id,exam_id\n"P1,E1\nP2,E2', ["another number of fields"]),
}


@pytest.mark.parametrize("content, words", FILES.values(), ids=FILES)
def test_a_file_that_is_no_table_is_answered_with_one_sentence(
    tmp_path, monkeypatch, capsys, content, words
):
    path = tmp_path / "scores.csv"
    if content is not None:
        path.write_bytes(content)
    code, said = run(monkeypatch, capsys, path, "--out", tmp_path / "out")
    assert code == 2 and said.count("\n") == 1
    for word in ["scores.csv", *words]:
        assert word in said
    assert not (tmp_path / "out").exists()


def test_a_parquet_file_that_is_none(tmp_path):
    (tmp_path / "scores.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"scores\.parquet is not a readable Parquet table"):
        read_scores(tmp_path / "scores.parquet")


OPTIONS = {
    "rule": (["--rule", "certifed"], ["--rule", "certified"]),
    "calibrator": (["--calibrator", "plat"], ["--calibrator", "platt"]),
    "sensitivity": (["--target-sensitivity", "95"], ["--target-sensitivity", "0.95 is 95%"]),
    "margin": (["--margin", "0"], ["--margin"]),
    "confidence": (["--confidence", "1"], ["--confidence"]),
    "replicates": (["--replicates", "5"], ["--replicates", "100"]),
    "seed": (["--seed", "-1"], ["--seed"]),
    "subgroups": (["--subgroups", "vender"], ["--subgroups", "valid: vendor"]),
    "direction": (["--lower-is-suspicious"], ["leave out --lower-is-suspicious"]),
}


@pytest.mark.parametrize("options, words", OPTIONS.values(), ids=OPTIONS)
def test_an_option_that_cannot_be(table, write, tmp_path, monkeypatch, capsys, options, words):
    code, said = run(monkeypatch, capsys, write(table), "--out", tmp_path / "out", *options)
    assert code == 2 and said.count("\n") == 1
    for word in words:
        assert word in said
    assert not (tmp_path / "out").exists()


def test_raw_takes_probabilities_only(table, write, tmp_path, monkeypatch, capsys):
    path = write(table.assign(score=100 * table["score"]))
    code, said = run(monkeypatch, capsys, path, "--out", tmp_path / "out", "--calibrator", "raw")
    assert code == 2 and "column score leaves [0, 1]" in said


def test_nothing_given(tmp_path, monkeypatch, capsys):
    code, said = run(monkeypatch, capsys)
    assert code == 2 and "mammolab triage SCORES.csv --out DIR" in said


class TestSlipsOfThePen:
    @pytest.mark.parametrize(
        ("there", "written", "meant"),
        [
            ("recall", "Recall", "recall"),
            ("recall", "recalled", "recall"),
            ("vendor", "Split", "split"),
            ("density", "Density", "density"),
            ("vendor", "Weight", "weight"),
            ("vendor", "Synthetic", "synthetic"),
        ],
    )
    def test_an_optional_column_all_but_spelled_right_is_not_dropped(
        self, table, write, there, written, meant
    ):
        with pytest.raises(InputError, match=f"column {written}, which looks like {meant}"):
            read_scores(write(table.rename(columns={there: written})))

    def test_a_subgroup_that_is_asked_for_may_be_spelled_as_one_likes(self, table, write):
        path = write(table.rename(columns={"density": "Density"}))
        assert read_scores(path, subgroups="Density").subgroups == ("Density",)

    def test_a_file_without_cancers_says_so(self, table, write):
        with pytest.raises(InputError, match="cancer is 0 in all"):
            read_scores(write(table.assign(cancer=0)))
