"""From raw exports to the PDF, small and for real: the embedded programme, then "own" exports.

The tests share two runs and are read in order. The second takes the first one's exports as a
user's own, with broken files among them, and is killed in chapter 04 and started again.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import pandas as pd
import pytest
import yaml

from mammolab.paths import RunPaths, repository_root
from mammolab.pipeline import graph
from mammolab.schemas import read_table

ROOT = repository_root()
PATIENCE_S = 600


def mammolab(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "mammolab.cli", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(*arguments: str) -> tuple[int, str]:
    process = mammolab("run", *arguments)
    output, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, output


def fresh(name: str) -> RunPaths:
    paths = RunPaths(ROOT / "build" / name)
    shutil.rmtree(paths.root, ignore_errors=True)
    return paths


@pytest.fixture(scope="module")
def smoke():
    """A whole smoke run from nothing, in build/test_smoke."""
    paths = fresh("test_smoke")
    code, output = run("--profile", "smoke", "--run", "test_smoke")
    assert code == 0, output
    yield paths
    shutil.rmtree(paths.root)


@pytest.fixture(scope="module")
def own(smoke, tmp_path_factory):
    """The smoke run's exports as a user's own folder, with four files that are no mammograms."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(smoke.raw, folder / "raw", copy_function=os.link)
    images = sorted((folder / "raw" / "dicom").glob("*/*/*.dcm"))
    whole = images[0].read_bytes()
    stray = folder / "raw" / "dicom" / "stray"
    stray.mkdir()
    (stray / "cut_short.dcm").write_bytes(whole[: len(whole) // 2])
    (stray / "noise.dcm").write_bytes(bytes(range(256)) * 8)
    (stray / "twice.dcm").write_bytes(whole)
    (stray / "empty.dcm").write_bytes(b"")
    profile = yaml.safe_load((ROOT / "configs" / "smoke.yaml").read_text())
    profile["chapters"].pop("01_world")
    profile |= {"name": "test_own", "raw": "raw"}
    (folder / "own.yaml").write_text(yaml.safe_dump(profile))
    yield folder
    shutil.rmtree(ROOT / "build" / "test_own", ignore_errors=True)


def test_the_paper_is_built_and_every_number_is_traced(smoke):
    assert smoke.paper.read_bytes().startswith(b"%PDF")
    numbers = json.loads(smoke.numbers_json.read_text())
    wanted = {"triage.threshold", "detection.auc", "risk.auc_5y.hybrid", "run.wall_s"}
    assert wanted <= set(numbers)
    for key, number in numbers.items():
        assert number["chapter"] in graph.STAGES, key
        assert number["code_digest"], key
    for sidecar in smoke.figures.glob("*.json"):
        record = json.loads(sidecar.read_text())
        assert record["code_digest"] and record["panels"] and record["parameters"]
        assert sidecar.with_suffix(".svg").exists()
        assert str(ROOT) not in sidecar.read_text()


def test_numbers_agree_with_the_tables_they_come_from(smoke):
    numbers = json.loads(smoke.numbers_json.read_text())
    cohort = read_table(smoke.table("cohort"), "cohort")
    assert numbers["cohort.n_exams"]["value"] == len(cohort)
    triage = read_table(smoke.table("triage"), "triage").merge(cohort, on="exam_id")
    test = triage[triage["split"] == "test"]
    share = test.loc[test["ruled_out"], "sampling_weight"].sum() / test["sampling_weight"].sum()
    assert numbers["triage.fraction_ruled_out"]["value"] == pytest.approx(share)
    lost = test["ruled_out"] & test["cancer_within_1y"] & test["recall"]
    assert numbers["triage.cancers_missed"]["value"] == test.loc[lost, "patient_id"].nunique()


def test_sampling_weights_stand_for_the_cohort(smoke):
    cohort = read_table(smoke.table("cohort"), "cohort")
    cancer = cohort["cancer_within_1y"]
    pulled = cohort["has_pixels"]
    assert cohort.loc[cancer & pulled, "sampling_weight"].sum() == pytest.approx(
        cancer.sum(), rel=0.03
    )
    stands_for = cohort.loc[~cancer & pulled, "sampling_weight"].sum()
    assert stands_for == pytest.approx((~cancer).sum(), rel=0.2)


def test_no_woman_is_in_two_splits(smoke):
    cohort = read_table(smoke.table("cohort"), "cohort")
    assert (cohort.groupby("patient_id")["split"].nunique() == 1).all()


def test_flow_sums(smoke):
    flow = read_table(smoke.table("flow"), "flow")
    left = flow["n_exams"].to_numpy()
    assert (left[:-1] - flow["n_removed_exams"].to_numpy()[1:] == left[1:]).all()


def test_a_run_goes_to_mirai(smoke, tmp_path):
    process = mammolab("mirai", "test_smoke", "--suffix", ".dcm", "--out", str(tmp_path / "m.csv"))
    told, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, told
    rows = pd.read_csv(tmp_path / "m.csv", dtype={"exam_id": str})
    cohort = read_table(smoke.table("cohort"), "cohort").set_index("exam_id")
    assert (rows.groupby("exam_id").size() == 4).all()
    assert (rows["split_group"] == rows["exam_id"].map(cohort["split"])).all()
    assert all(os.path.exists(path) for path in rows["file_path"])
    assert f"{len(rows):,} images" in told


def test_executed_chapters_are_kept_with_outputs_and_as_html(smoke):
    for chapter in graph.STAGES:
        executed = nbformat.read(smoke.notebooks / f"{chapter}.ipynb", as_version=4)
        assert any(cell.get("outputs") for cell in executed.cells)
        assert "https://cdn" not in (smoke.notebooks / f"{chapter}.html").read_text()


def test_the_second_run_does_nothing(smoke):
    code, output = run("--profile", "smoke", "--run", "test_smoke")
    assert code == 0
    assert "nothing to do" in output


def test_a_changed_parameter_runs_its_chapter_and_what_follows(smoke):
    code, output = run(
        "--profile", "smoke", "--run", "test_smoke", "-p", "triage.margin=0.1", "--dry-run"
    )
    assert code == 0
    assert "07_triage" in output and "20_manuscript" in output
    assert "04_detection" not in output and "09_risk" not in output


def test_a_misspelt_parameter_stops_before_anything_runs(smoke):
    code, output = run("-p", "07_triage.no_such=1")
    assert code == 2
    assert "no_such" in output and "threshold_rule" in output


def test_killed_in_chapter_04_and_started_again_it_finishes(own):
    paths = fresh("test_own")
    process = mammolab("run", "--profile", str(own / "own.yaml"))
    events = paths.logs / "events.jsonl"
    limit = time.monotonic() + PATIENCE_S
    while not (events.exists() and '"04_detection"' in events.read_text()):
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    cohort_written = paths.table("cohort").stat().st_mtime_ns
    code, output = run("--profile", str(own / "own.yaml"))
    assert code == 0, output
    assert paths.paper.read_bytes().startswith(b"%PDF")
    assert paths.table("cohort").stat().st_mtime_ns == cohort_written  # a finished stage stays


def test_files_that_are_no_mammograms_cost_a_reason_not_the_run(own):
    paths = RunPaths(ROOT / "build" / "test_own")
    index = read_table(paths.table("dicom_index"), "dicom_index").set_index("path")
    stray = index[index.index.str.startswith("stray/")]
    assert len(stray) == 4
    # Of the twins, the one that comes later in the folder is refused.
    assert (stray["status"] == "rejected").all()
    assert stray["reason"].str.len().min() > 0
    flow = read_table(paths.table("flow"), "flow")
    rejected = flow[flow["step"].str.startswith("files rejected")]
    counted = rejected["reason"].str.extract(r"(\d+)")[0].astype(int).sum()
    # beside the strays, what a PACS holds: every file refused is counted once
    assert counted == (index["status"] == "rejected").sum() > 4


def test_own_exports_have_no_truth(own):
    numbers = json.loads(RunPaths(ROOT / "build" / "test_own").numbers_json.read_text())
    assert not any(key.startswith("world.") for key in numbers)


@pytest.mark.parametrize(
    ("file", "spoil", "words"),
    [
        ("ehr/exams.csv", lambda f: f.drop(columns="density"), ["exams.csv", "density"]),
        ("ehr/exams.csv", lambda f: pd.concat([f, f.head(1)]), ["exams.csv", "exam_id", "E"]),
        ("ehr/patients.csv", lambda f: f.iloc[5:], ["exams.csv", "patient_id"]),
        (
            "registry/cancers.csv",
            lambda f: f.assign(diagnosis_date="the 5th"),
            ["cancers.csv", "diagnosis_date", "the 5th"],
        ),
    ],
    ids=["column missing", "exam twice", "exam without a patient", "no date"],
)
def test_a_table_that_cannot_be_right_stops_in_one_sentence(own, tmp_path, file, spoil, words):
    raw = tmp_path / "raw"
    (raw / "dicom").mkdir(parents=True)
    for one in ("export.json", *graph.RAW_TABLES[1:]):
        source = own / "raw" / one.removeprefix("raw/")
        target = raw / one.removeprefix("raw/")
        target.parent.mkdir(exist_ok=True)
        shutil.copy(source, target)
    frame = pd.read_csv(raw / file, dtype=str, keep_default_na=False)
    spoil(frame).to_csv(raw / file, index=False)
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump({"name": "test_bad", "raw": "raw"}))
    paths = fresh("test_bad")
    code, output = run("02_cohort", "--profile", str(tmp_path / "bad.yaml"))
    shutil.rmtree(paths.root, ignore_errors=True)
    assert code == 2, output
    sentence = output.strip().split("error: ")[-1].splitlines()[0]
    assert all(word in sentence for word in words), sentence
    assert "Traceback" not in output
    assert not paths.table("cohort").exists()
