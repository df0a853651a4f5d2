"""`mammolab audit` from end to end: files, exit codes, sentences for what cannot be used."""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mammolab import cli, cli_audit
from mammolab.audit import report
from mammolab.audit.command import AuditRequest, audit, exit_code, read_disclosure
from mammolab.audit.example import audit_example_rows
from mammolab.audit.images import images_of, thumbnail
from mammolab.audit.registry import BY_CHANCE, CHECKS, CLEAN_TABLES, RED_ON_CLEAN_TABLES
from mammolab.audit.run import Result, Settings, run_checks
from mammolab.audit.table import read_tables
from mammolab.data.header import Rejected
from mammolab.errors import InputError
from mammolab.paths import repository_root

FILES = {"audit.pdf", "audit.json", "audit.csv", "alone.svg"}


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(path, out, **how):
    said = []
    code = audit(AuditRequest((path,), **how), out, said.append)
    return code, said


def levels(out):
    record = json.loads((out / "audit.json").read_text())
    return {one["name"]: one for one in record["checks"]}


def command(monkeypatch, *arguments):
    """Run the command line; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["mammolab", "audit", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code or 0


@pytest.fixture(scope="module")
def finished(make_cohort, tmp_path_factory):
    """A folder that holds cohort.csv and out, made from it, and what was said."""
    folder = tmp_path_factory.mktemp("finished")
    few = make_cohort(800).drop(columns=["site", "age_years", "density", "race_ethnicity"])
    few.to_csv(folder / "cohort.csv", index=False)
    run(folder / "cohort.csv", folder / "out")
    return folder


class TestOutput:
    @pytest.fixture
    def out(self, finished, tmp_path):
        shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
        return tmp_path / "out"

    def test_every_file_and_nothing_beside(self, out, tmp_path):
        assert set(contents(out)) == FILES
        assert sorted(path.name for path in tmp_path.iterdir()) == ["cohort.csv", "out"]

    def test_the_files_agree(self, out):
        record = json.loads((out / "audit.json").read_text())
        table = pd.read_csv(out / "audit.csv")
        assert [one["name"] for one in record["checks"]] == [check.name for check in CHECKS]
        assert table["level"].tolist() == [one["level"] for one in record["checks"]]
        assert sum(record["counts"].values()) == len(CHECKS)
        assert record["exit_code"] == 1
        assert levels(out)["prevalence"]["level"] == "red"  # a tenth has cancer
        assert record["n_rows"] == 800 and record["command"] == "mammolab audit"
        assert sorted(record["files"]) == sorted(FILES)

    def test_the_same_bytes_again_in_the_place_of_the_first(self, out, tmp_path):
        first = contents(out)
        run(tmp_path / "cohort.csv", out)
        assert contents(out) == first

    def test_other_files_are_never_overwritten(self, out, tmp_path):
        (out / "notes.txt").write_text("mine")
        before = contents(out)
        with pytest.raises(InputError, match=r"1 file\(s\) that are not .* such as notes\.txt"):
            run(tmp_path / "cohort.csv", out)
        assert contents(out) == before

    def test_a_mistake_leaves_an_earlier_output_alone(self, out, make_cohort, write):
        before = contents(out)
        with pytest.raises(InputError, match="column age_years is no number"):
            run(write(make_cohort(50).assign(age_years="old"), "bad.csv"), out)
        assert contents(out) == before


def test_columns_not_used_are_told_everywhere(make_cohort, write, tmp_path):
    """A column near a known one that is there, or near none, is not asked about."""
    few = make_cohort(60)[["patient_id", "exam_id", "cancer", "age_years"]]
    path = write(few.assign(age=3, side="L", label="x", reader=1))
    scores = write(few[["exam_id"]].assign(score=range(60), outcome=1), "scores.csv")
    _, said = run(path, tmp_path / "out", scores=scores)
    told = "Columns not used: age, side, label, reader, outcome (scores.csv)."
    assert told in said
    record = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert record["unused_columns"] == ["age", "side", "label", "reader", "outcome (scores.csv)"]
    table = read_tables([path])
    assert (
        told.replace(", outcome (scores.csv)", "") in report.content(table, Settings(), [])["notes"]
    )
    many = replace(table, unused=tuple(f"c{k}" for k in range(25)))
    assert report.not_used(many)[0].endswith("c19, and 5 more (audit.json).")
    table = read_tables([write(few.assign(relapse=few["cancer"]))], label="relapse")
    assert "The file's own column cancer was not used." in table.notes


def test_exit_codes_of_levels():
    def result(level):
        return Result("a", "b", "c?", level, "d.")

    red, amber, green = ([result(level)] for level in ("red", "amber", "green"))
    assert [exit_code(one, "red") for one in (red, amber, green)] == [1, 0, 0]
    assert [exit_code(one, "amber") for one in (red, amber, green)] == [1, 1, 0]
    assert [exit_code(one, "never") for one in (red, amber, green)] == [0, 0, 0]


def test_exit_codes_of_the_command(make_cohort, write, tmp_path, monkeypatch, capsys):
    path, out = write(make_cohort(300)[["patient_id", "cancer", "site"]]), tmp_path / "out"
    assert command(monkeypatch, path, "--out", out) == 1
    assert command(monkeypatch, path, "--out", out, "--fail-on", "never") == 0
    assert command(monkeypatch, path, "--out", out, "--prevalence", 0.12) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == f"report: {out / 'audit.pdf'}" and told.err == ""
    assert command(monkeypatch, tmp_path / "absent.csv", "--out", out) == 2
    assert command(monkeypatch, path, "--out", out, "--fail-on", "rde") == 2
    told = capsys.readouterr().err.splitlines()
    assert [line.startswith("error: ") for line in told] == [True, True]
    assert "no --fail-on 'rde'" in told[1]
    assert command(monkeypatch, path) == 2


@pytest.mark.parametrize("rows", ["none", "one class", "one row"])
def test_nothing_to_tell_is_an_answer(make_cohort, write, tmp_path, monkeypatch, capsys, rows):
    cohort = make_cohort(60)[["patient_id", "cancer", "site", "device"]]
    cohort = {"none": cohort[:0], "one class": cohort.assign(cancer=0), "one row": cohort[:1]}[rows]
    for name, how in (("cohort.csv", {}), ("semicolons.csv", {"sep": ";"})):
        out = tmp_path / f"out {name}"
        assert command(monkeypatch, write(cohort, name, **how), "--out", out) == 0
        assert {one["level"] for one in levels(out).values()} == {"skipped"}
        n = len(CHECKS)
        told = capsys.readouterr().out
        assert f"{n} checks: 0 red, 0 amber, 0 green, {n} skipped" in told
        assert told.splitlines()[-1].startswith("nothing was judged: ")
    parquet = tmp_path / "cohort.parquet"
    cohort.to_parquet(parquet)
    assert command(monkeypatch, parquet, "--out", tmp_path / "parquet") == 0


@pytest.mark.parametrize(
    "spoil, told",
    [
        (lambda t: t[:0], "nothing was judged: the table has no row."),
        (lambda t: t.drop(columns="split"), ""),
        (
            lambda t: t.assign(cancer=1),
            "nothing of the label was judged: all 60 exams with a label are of one class.",
        ),
        (
            lambda t: t.drop(columns=["cancer", "split"]),
            "nothing was judged: no label is known (column cancer, or --label).",
        ),
        (lambda t: t.assign(cancer=""), "nothing of the label was judged: no label is known"),
    ],
)
def test_the_last_line_says_where_nothing_was_judged(make_cohort, write, tmp_path, spoil, told):
    few = make_cohort(60)[["patient_id", "exam_id", "split", "cancer", "site", "score"]]
    code, said = run(write(spoil(few)), tmp_path / "out", fail_on="never")
    assert code == 0
    record = json.loads((tmp_path / "out" / "audit.json").read_text())
    if not told:
        assert said[-1].startswith("report: ") and record["nothing_judged"] is None
    else:
        assert said[-1].startswith(told) and said[-2].startswith("report: ")
        assert said[-1] == record["nothing_judged"] + "."


def test_how_often_clean_tables_are_red_is_told_as_measured(make_cohort, write):
    measured = pd.read_csv(repository_root() / "benchmarks" / "audit_alarms.csv")
    assert measured["n_tables"].max() == CLEAN_TABLES
    assert measured["n_red"].sum() == RED_ON_CLEAN_TABLES
    told = f"{RED_ON_CLEAN_TABLES} red marks on {CLEAN_TABLES} clean tables"
    assert told in " ".join(cli_audit.audit.__doc__.split())
    table = read_tables([write(make_cohort(20)[["patient_id", "cancer"]])])
    assert BY_CHANCE in report.content(table, Settings(), [])["colours"]


class TestBadInput:
    @pytest.mark.parametrize(
        "spoil, match",
        [
            (
                lambda t: t.assign(cancer="maybe"),
                "column cancer is not understood, such as 'maybe'",
            ),
            (lambda t: t.assign(exam_date="10.1.2012"), "exam_date is no date.*YYYY-MM-DD"),
            (lambda t: t.assign(exam_date="2012-13-01"), "exam_date is no date"),
            (lambda t: t.assign(probability=1.2), r"probability leaves \[0, 1\]"),
            (lambda t: t.assign(sampling_weight=-1), "sampling_weight is negative"),
            (lambda t: t.rename(columns={"device": "devices"}), "devices, which looks like device"),
            (lambda t: t.rename(columns={"device": "devise"}), "devise, which looks like device"),
            (lambda t: t.rename(columns={"device": "Scanner"}), "Scanner, which looks like device"),
            (lambda t: t.rename(columns={"device": "machine"}), "machine, .* like device"),
            (lambda t: t.rename(columns={"age_years": "age"}), "age, which looks like age_years"),
            (lambda t: t.rename(columns={"exam_date": "scan_date"}), "scan_date, .* exam_date"),
            (lambda t: t.rename(columns={"site": "hospital"}), "hospital, which looks like site"),
            (lambda t: t.rename(columns={"race_ethnicity": "race"}), "race, .* race_ethnicity"),
            (lambda t: t.rename(columns={"density": "breast_density"}), "like density"),
            (lambda t: t.rename(columns={"cancer": "outcome"}), "like cancer: .* --label outcome"),
            (lambda t: t.rename(columns={"cancer": "label"}), "give --label label"),
            (lambda t: t.rename(columns={"patient_id": "patient"}), "patient, .* patient_id"),
            (lambda t: t.rename(columns=lambda name: f"x{name[::-1]}"), "no column that an audit"),
            (lambda t: t.assign(score="inf"), "score is infinite"),
            (
                lambda t: t.assign(exam_id=t.groupby("patient_id").cumcount() + 1),
                "values of column exam_id belong to more than one patient_id, such as 1",
            ),
        ],
    )
    def test_one_sentence(self, make_cohort, write, tmp_path, spoil, match):
        with pytest.raises(InputError, match=match) as caught:
            run(write(spoil(make_cohort(30))), tmp_path / "out")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()

    def test_a_workbook_and_a_folder_of_tables(self, make_cohort, write, tmp_path, write_pictures):
        for name in ("cohort.xlsx", "COHORT.XLS", "cohort.ods"):
            (tmp_path / name).write_bytes(b"PK or not")
            with pytest.raises(InputError, match="is a workbook: save its sheet as CSV"):
                run(tmp_path / name, tmp_path / "out")
        with pytest.raises(InputError, match=r"there is no file .*absent\.xlsx"):
            run(tmp_path / "absent.xlsx", tmp_path / "out")
        for name in ("b.csv", "a.csv", "c.parquet", "d.csv"):
            path = write(make_cohort(5), f"tables/{name}")
        match = r"folder of tables \(a\.csv, b\.csv, c\.parquet, \.\.\.\): give the files .*a\.csv"
        with pytest.raises(InputError, match=match):
            run(path.parent, tmp_path / "out")
        write_pictures(["normal/a_1.png", "sick/b_1.png"], folder="tables")
        run(path.parent, tmp_path / "out")  # a list beside the images is no matter
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match="holds no image"):
            run(tmp_path / "empty", tmp_path / "out")

    @pytest.mark.parametrize(
        "how, match",
        [
            ({"prevalence": 6.0}, "share between 0 and 1"),
            ({"seed": -1}, "--seed must be 0 or above"),
            ({"threshold": float("nan")}, "finite number"),
            ({"label": "relapse"}, "--label names relapse.*it has patient_id"),
            ({"score_column": "ai"}, "--score-column names ai"),
            ({"layout": "rsna"}, "not in the layout rsna"),
        ],
    )
    def test_options(self, make_cohort, write, tmp_path, how, match):
        with pytest.raises(InputError, match=match):
            run(write(make_cohort(30)), tmp_path / "out", **how)

    def test_decimal_commas_are_read_where_they_part_nothing(self, make_cohort, write):
        cohort = make_cohort(30)
        comma = read_tables([write(cohort, "comma.csv", sep=";", decimal=",")])
        pd.testing.assert_frame_equal(comma.rows, read_tables([write(cohort)]).rows)

    @pytest.mark.parametrize(
        "text, match",
        [
            ("n_seeds: 3\nn_sedes: 2", "no entry of told.yaml 'n_sedes'"),
            ("n_seeds: 0", "whole number from 1, not 0"),
            ("n_seeds: many", "not 'many'"),
            ("- 3", "must hold n_candidates"),
            ("a: [", "no readable YAML|not readable YAML"),
        ],
    )
    def test_disclosure(self, tmp_path, text, match):
        path = tmp_path / "told.yaml"
        path.write_text(text)
        with pytest.raises(InputError, match=match):
            read_disclosure(path)
        with pytest.raises(InputError, match="no file"):
            read_disclosure(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("n_candidates: 4\nn_test_looks: 1\nn_seeds: 5", "green"),
        ("n_seeds: 5", "amber"),
        ("n_test_looks: 50", "red"),
    ],
)
def test_what_was_told_of_selection(write, make_cohort, tmp_path, text, expected):
    (tmp_path / "told.yaml").write_text(text)
    few = make_cohort(100)[["patient_id", "cancer", "score"]]
    run(write(few), tmp_path / "out", disclosure=tmp_path / "told.yaml")
    assert levels(tmp_path / "out")["disclosure"]["level"] == expected


class TestImages:
    @pytest.fixture
    def cohort(self, make_cohort):
        return make_cohort(120).assign(image_file=lambda t: t["exam_id"] + ".png")

    def judged(self, cohort, folder, write, names):
        table = read_tables([write(cohort)])
        table = replace(table, images=images_of(table.rows, folder))
        checks = [check for check in CHECKS if check.name in names]
        return {one.name: one for one in run_checks(table, Settings(), checks)}

    def test_a_copy_in_another_split_is_red(self, cohort, write, write_pictures):
        folder = write_pictures(cohort["image_file"])
        names = ("duplicate_images",)
        assert self.judged(cohort, folder, write, names)["duplicate_images"].level == "green"
        train, test = (
            cohort.loc[cohort["split"] == s, "image_file"].iloc[0] for s in ("train", "test")
        )
        with Image.open(folder / train) as picture:
            picture.resize((96, 96)).save(folder / test)
        found = self.judged(cohort, folder, write, names)["duplicate_images"]
        assert found.level == "red" and "2 of 120 images" in found.sentence

    def test_markers_and_devices_in_the_pixels(self, make_cohort, write, write_pictures):
        cohort = make_cohort(400).assign(image_file=lambda t: t["exam_id"] + ".png")
        folder = write_pictures(cohort["image_file"])
        for row in cohort.itertuples():
            with Image.open(folder / row.image_file) as picture:
                grey = np.array(picture)
            if row.cancer:
                grey[:6, -12:] = 255  # a marker in the corner
            if row.device == "alder":
                grey[28:36, 28:36] = 0
            Image.fromarray(grey).save(folder / row.image_file)
        found = self.judged(cohort, folder, write, ("border_probe", "device_probe"))
        assert {one.level for one in found.values()} == {"red"}, found

    def test_what_cannot_be_read_is_counted(self, cohort, write, write_pictures):
        folder = write_pictures(cohort["image_file"][:100])
        (folder / cohort["image_file"].iloc[0]).write_bytes(b"no picture")
        table = read_tables([write(cohort[["patient_id", "cancer", "image_file"]])])
        images = images_of(table.rows, folder)
        assert len(images.rows) == 99 and images.n_without == 20
        assert [name for name, _ in images.unreadable] == [cohort["image_file"].iloc[0]]
        notes = report.content(replace(table, images=images), Settings(), [])["notes"]
        assert "20 rows have no image." in notes
        assert any("1 images could not be read, such as E00000.png (picture:" in n for n in notes)

    def test_names_that_fit_no_file_or_two(self, cohort, write, write_pictures):
        rows = read_tables([write(cohort)]).rows
        folder = write_pictures(["other.png"])
        with pytest.raises(InputError, match="no image_file of the table is a file in"):
            images_of(rows, folder)
        write_pictures([f"a/{cohort['image_file'].iloc[0]}", f"b/{cohort['image_file'].iloc[0]}"])
        with pytest.raises(InputError, match="1 rows name several files"):
            images_of(rows, folder)
        with pytest.raises(InputError, match="needs a column image_file"):
            images_of(rows[["cancer"]], folder)

    def test_dicom(self, cohort, write, tmp_path, write_mammogram):
        rng = np.random.default_rng(0)
        for exam in cohort["exam_id"][:6]:
            write_mammogram(tmp_path / "dcm" / f"{exam}.dcm",
                            rng.integers(0, 4000, (80, 60)).astype(np.uint16))  # fmt: skip
        write_mammogram(tmp_path / "dcm" / f"{cohort['exam_id'][6]}.dcm", Modality="RG")
        rows = read_tables([write(cohort.drop(columns="image_file"))]).rows
        images = images_of(rows, tmp_path / "dcm")
        assert images.thumbnails.shape == (6, 64, 64)
        assert images.unreadable == ((f"{cohort['exam_id'][6]}.dcm", "modality: RG, not MG"),)

    @pytest.mark.parametrize("mode", ["L", "RGBA", "I;16", "1", "P"])
    def test_every_kind_of_picture_becomes_a_thumbnail(self, tmp_path, mode):
        grey = np.arange(200 * 100).reshape(200, 100) % 251
        picture = Image.fromarray(grey.astype(np.uint16 if mode == "I;16" else np.uint8))
        (picture if mode == "I;16" else picture.convert(mode)).save(tmp_path / "a.png")
        small = thumbnail(tmp_path / "a.png")
        assert small.shape == (64, 64) and small.dtype == np.uint8 and np.ptp(small) > 0
        with pytest.raises(Rejected):
            (tmp_path / "b.png").write_bytes(b"")
            thumbnail(tmp_path / "b.png")


def test_the_example_can_be_written_and_used(tmp_path, monkeypatch, capsys):
    path, out = tmp_path / "example.csv", tmp_path / "out"
    assert command(monkeypatch, "--example", path) == 0
    assert command(monkeypatch, path, "--out", out) == 1
    told = capsys.readouterr().out.splitlines()
    assert "Synthetic data: nothing of this is a clinical finding." in told
    found = levels(out)
    red = {name for name, one in found.items() if one["level"] == "red"}
    assert red == {
        "patient_overlap", "prevalence", "metadata_together", "alone_device",
        "prevalence_by_device", "calibration",
    }  # fmt: skip
    assert command(monkeypatch, "--example", path) == 2


def test_the_example_is_marked_row_by_row():
    header, *rows = audit_example_rows()
    assert all(row[0].startswith("EXAMPLE-") and row[-1] == "yes" for row in rows)
    assert header[-1] == "synthetic"


def odd(cohort):
    rng = np.random.default_rng(2)
    names = [f"the $100 & #{k} <device> of *a* _very_ long name [x] 日本" for k in range(12)]
    return cohort.drop(columns=["site", "age_years", "density", "race_ethnicity"]).assign(
        device=rng.choice(names, len(cohort)),
        patient_id=["an-id-of-great-length-" + one for one in cohort["patient_id"]],
        split=rng.choice(["train", "test"], len(cohort)),
    )


@pytest.mark.filterwarnings("error", "ignore:Glyph")
@pytest.mark.parametrize("shape", [lambda t: t, odd, lambda t: t[["patient_id", "cancer"]],
                                   lambda t: t[:0]])  # fmt: skip
def test_a_report_of_few_pages_whatever_comes(make_cohort, write, tmp_path, shape):
    table = read_tables([write(shape(make_cohort(500)))])
    results = run_checks(table, Settings(prevalence=0.006), CHECKS)
    pages = report.set_report(table, Settings(), results, tmp_path, png=True)
    assert (tmp_path / "audit.pdf").read_bytes().startswith(b"%PDF")
    assert 1 <= len(pages) <= 3


def test_the_report_counts_every_check_once(make_cohort, write):
    few = make_cohort(200).drop(columns=["age_years", "density", "race_ethnicity", "implant"])
    table = read_tables([write(few)])
    results = run_checks(table, Settings(), CHECKS)
    content = report.content(table, Settings(), results)
    counted = {level: n for level, n, _ in content["counts"]}
    shown = [check["level"] for group in content["groups"] for check in group["checks"]]
    for level in ("red", "amber", "green"):
        assert shown.count(level) == counted[level]
    questions = " ".join(questions for _, questions in content["skipped"])
    assert questions.count("?") == counted["skipped"]
