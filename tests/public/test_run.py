"""A public data set as published, through `mammolab adapt` and its chapters, to the PDF.

The tests of a data set share one run and read what it left.
"""

import json
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import typst
import yaml

from mammolab.data.lacks import NEED_PREVALENCE, SENTENCES
from mammolab.paths import RunPaths, repository_root
from mammolab.schemas import SPLITS, read_table

ROOT = repository_root()
PATIENCE_S = 600
SMALL = {
    "02_cohort": {"n_replicates": 100},
    "03_images": {"rows": 128, "columns": 104, "workers": 1},
    "04_detection": {
        "width": 8,
        "initialisation": "random",
        "epochs": 1,
        "steps_per_epoch": 6,
        "micro_batch_size": 12,
        "n_replicates": 100,
    },
    "05_training_choices": {
        "n_seeds": 1,
        "steps": 8,
        "fold_steps": [4, 8, 8],
        "points": 2,
        "share_steps": 4,
        "shares": [0.5, 1.0],
        "dev_exams": 10,
        "crop_px": 32,
        "n_replicates": 100,
    },
    "07_triage": {"margin": 0.1},  # of a chapter that is left out: no harm
}
RUN = ["02_cohort", "03_images", "04_detection", "05_training_choices", "20_manuscript"]


def mammolab(*arguments) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "mammolab.cli", *map(str, arguments)],
        check=False,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def profile(write_rsna, tmp_path_factory):
    """A profile of RSNA in its published layout, adapted and small."""
    folder = tmp_path_factory.mktemp("public")
    root = write_rsna(folder / "set")
    path = folder / "rsna.yaml"
    path.write_text(
        yaml.safe_dump({"name": "test_rsna", "raw": "raw", "dataset": "rsna", "chapters": SMALL})
    )
    code, output = mammolab("run", "--profile", path)
    assert code == 2 and f"mammolab adapt rsna FOLDER --out {folder / 'raw'}" in output
    code, output = mammolab("adapt", "rsna", root, "--out", folder / "raw")
    assert code == 0, output
    return path


@pytest.fixture(scope="module")
def run(profile):
    """What the run printed, and its files."""
    paths = RunPaths(ROOT / "build" / "test_rsna")
    shutil.rmtree(paths.root, ignore_errors=True)
    code, output = mammolab("run", "--profile", profile, "--cores", 2)
    assert code == 0, output
    yield paths, output
    shutil.rmtree(paths.root)


def test_a_dry_run_says_what_would_run_and_what_is_left_out_and_why(profile):
    code, output = mammolab("run", "--profile", profile, "--dry-run")
    assert code == 0
    assert "07_triage            left out. No reader's decision: no recall rate" in output
    assert "09_risk              left out. No dates" in output
    assert "06_calibration       left out. Refused without sampling weights: PPV" in output
    planned = [line.split()[0] for line in output.splitlines() if line[:2].isdigit()]
    planned = [chapter for chapter in planned if f"{chapter:21s}left out" not in output]
    assert planned == RUN
    code, output = mammolab("run", "triage", "--profile", profile)
    assert code == 2 and "07_triage cannot run on" in output
    assert SENTENCES["reading"] in output


def test_the_run_says_the_same_and_reaches_the_paper(run):
    paths, output = run
    assert paths.paper.read_bytes().startswith(b"%PDF")
    assert "07_triage            left out. No reader's decision" in output
    assert sorted(path.stem for path in paths.numbers.glob("*.json")) == RUN


def test_labels_and_counts_are_those_of_the_published_table(run, profile):
    paths, _ = run
    table = pd.read_csv(profile.parent / "set" / "train.csv", dtype=str)
    cohort = read_table(paths.table("cohort"), "cohort").set_index("patient_id")
    by_woman = table.groupby("patient_id")["cancer"].max() == "1"
    assert (
        cohort["cancer_within_1y"]
        .sort_index()
        .equals(by_woman.rename("cancer_within_1y").sort_index())
    )
    sides = table[table["cancer"] == "1"].groupby("patient_id")["laterality"].first()
    assert cohort.loc[sides.index, "cancer_laterality"].tolist() == sides.tolist()
    assert cohort["recall"].isna().all() and cohort["exam_date"].isna().all()
    assert (cohort["sampling_weight"] == 1).all()
    images = read_table(paths.table("images"), "images")
    assert set(images["image_id"]) == set(table["image_id"])
    assert (images["status"] == "ok").all()


def test_the_flow_adds_up_and_names_the_rules_that_cannot_be_judged(run):
    flow = read_table(run[0].table("flow"), "flow")
    left = flow["n_exams"].to_numpy()
    assert (left[:-1] - flow["n_removed_exams"].to_numpy()[1:] == left[1:]).all()
    reasons = flow.set_index("step")["reason"]
    assert "followed up" in reasons["rules not judged"]
    assert "unknown are kept" in reasons["age at least 40"]


def test_nothing_that_is_refused_is_given(run):
    numbers = json.loads(run[0].numbers_json.read_text())
    refused = (*NEED_PREVALENCE, "ppv1", "cdr_per_1000", "missed_per_1000")
    assert not [key for key in numbers if key.split(".")[-1] in refused]
    assert not [key for key in numbers if key.startswith(("triage.", "calibration.", "risk."))]
    assert 0 <= numbers["detection.auc"]["value"] <= 1
    results = read_table(run[0].table("results"), "results")
    assert not set(results["metric"]) & set(refused)


def test_the_paper_has_no_section_of_what_is_left_out_and_lists_it(run):
    folder = run[0].root / "paper"
    headings = json.dumps(
        json.loads(
            typst.query(
                str(folder / "paper.typ"), "heading", root=str(folder), ignore_system_fonts=True
            )
        )
    )
    assert "What this data set cannot show" in headings and "Training choices" in headings
    assert not any(gone in headings for gone in ("Triage", "Five-year risk", "Calibration"))
    limits = json.loads((folder / "run.json").read_text())["limits"]
    questions = [question for limit in limits for question in limit["questions"]]
    assert len(questions) == 8 and any("go unread" in question for question in questions)
    assert {"sentence": SENTENCES["race"], "questions": []} in limits


@pytest.fixture(scope="module")
def listed(write_mirai, tmp_path_factory):
    """A run of a list in Mirai's format, whose cancers have no side, and its files."""
    folder = tmp_path_factory.mktemp("listed")
    code, output = mammolab("adapt", "mirai", write_mirai(folder / "set"), "--out", folder / "raw")
    assert code == 0, output
    path = folder / "mirai.yaml"
    path.write_text(
        yaml.safe_dump({"name": "test_mirai", "raw": "raw", "dataset": "mirai", "chapters": SMALL})
    )
    paths = RunPaths(ROOT / "build" / "test_mirai")
    shutil.rmtree(paths.root, ignore_errors=True)
    code, output = mammolab("run", "--profile", path, "--cores", 2)
    assert code == 0, output
    yield paths, output
    shutil.rmtree(paths.root)


def test_a_list_without_sides_ends_with_cohort_images_and_a_paper(listed):
    paths, output = listed
    assert "04_detection         left out. No label by breast" in output
    assert sorted(path.stem for path in paths.numbers.glob("*.json")) == [
        "02_cohort",
        "03_images",
        "20_manuscript",
    ]
    assert paths.paper.read_bytes().startswith(b"%PDF")
    assert len(read_table(paths.table("results"), "results")) == 0


def test_women_stay_where_the_owners_put_them_and_years_make_the_label(listed):
    cohort = read_table(listed[0].table("cohort"), "cohort")
    number = cohort["patient_id"].str[1:].astype(int)
    assert set(number) == {n for n in range(30) if n % 5 != 1}  # those not followed are out
    assert (cohort["cancer_within_1y"] == (number % 5 == 0)).all()
    assert (cohort["cancer_laterality"] == "").all()
    assert (cohort["split"] == number.map(lambda n: SPLITS[n % 3])).all()
    images = read_table(listed[0].table("images"), "images")
    assert (images["status"] == "ok").all() and len(images) == 4 * len(cohort)
