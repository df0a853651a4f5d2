"""`mammolab risk` on DICOM files: what chapter 09 says of the same exams, and files of no use."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit

from mammolab import cli
from mammolab.data.store import open_store
from mammolab.model.checkpoint import save_network
from mammolab.model.features import feature_names, texture_features
from mammolab.model.hazard_training import HazardTraining
from mammolab.model.network import NetworkConfig, ResNet18
from mammolab.risk.hazard import HazardRiskModel
from mammolab.risk.hazard_settings import HazardSettings
from mammolab.risk.hybrid import HybridModel
from mammolab.risk.image import ImageRiskModel
from mammolab.risk.image_files import Preparation

N_EXAMS = 6
ROWS, COLUMNS = 64, 52
VIEWS = [(side, view) for side in "LR" for view in ("CC", "MLO")]


@pytest.fixture
def run(tmp_path, write_mammogram, models_folder, table, convert_folder):
    """A tiny run as chapters 03, 04 and 09 leave it: its folder, and what its models say."""
    rng = np.random.default_rng(7)
    raw, folder = tmp_path / "raw", tmp_path / "run"
    number = 0
    for k in range(N_EXAMS):
        brightness = rng.uniform(600, 2_500)
        for side, view in VIEWS:
            number += 1
            # twice the size of the model's input: it is averaged down, as the store's images are
            pixels = np.zeros((2 * ROWS, 2 * COLUMNS), np.uint16)
            breast = np.s_[10:-10, :70] if side == "L" else np.s_[10:-10, 34:]
            pixels[breast] = rng.uniform(500, brightness + 500, pixels[breast].shape)
            write_mammogram(
                raw / f"P{k}" / f"{side}{view}.dcm", pixels,
                SOPInstanceUID=f"1.2.{number}", PatientID=f"P{k}", AccessionNumber=f"E{k}",
                ImageLaterality=side, ViewPosition=view,
            )  # fmt: skip
    _, images = convert_folder(raw, folder / "images.npy", ROWS, COLUMNS)
    store = open_store(folder / "images.npy")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = ResNet18(NetworkConfig(width=4))
    digest = images["preprocessing_hash"].iloc[0]
    save_network(
        folder / "models" / "detector", network, pd.DataFrame(), {"preprocessing_hash": digest}
    )
    features = pd.DataFrame(
        texture_features(network, store, images["row"].to_numpy(np.int64)),
        columns=feature_names(network),
    )
    by_exam = features.groupby(images["exam_id"].to_numpy()).mean()
    model = ImageRiskModel.fit(by_exam, np.arange(N_EXAMS) % 2 == 0, 3)
    models = folder / "models" / "risk"
    models.mkdir()
    for path in models_folder.iterdir():
        (models / path.name).write_bytes(path.read_bytes())
    model.save(models / "texture.json")
    Preparation.of_store(images, store).save(models)
    said = table.assign(
        time_years=[2.0, 9, 3, 9, 4, 9], event=[1, 0, 1, 0, 1, 0], sampling_weight=1.0,
        image_risk=expit(model.score(by_exam)),
    )  # fmt: skip
    for name in ("image", "hybrid"):
        settings = HazardSettings(3, 2, name == "hybrid", training=HazardTraining(steps=20))
        head = HazardRiskModel.fit(by_exam, said, by_exam, said, settings)
        head.save(models / f"hazard_{name}")
        said[f"{name}_raw"] = head.predict(by_exam, said)[:, -1]
        column = f"{name}_raw"
        cox = HybridModel.fit(said, said["time_years"], said["event"], None, column, ())
        cox.save(models / f"hazard_{name}.json")
    return folder, said


@pytest.fixture
def table(make_women):
    """Women of the run's exams, each with her four files."""
    women = make_women(N_EXAMS).drop(columns="image_risk")
    files = [";".join(f"P{k}/{s}{v}.dcm" for s, v in VIEWS) for k in range(N_EXAMS)]
    return women.assign(exam_id=[f"E{k}" for k in range(N_EXAMS)], image_files=files)


@pytest.fixture
def score(run, tmp_path, write, monkeypatch, capsys):
    """A function (table, arguments) to exit code, risk.csv, problems.csv, output, errors."""

    def command(table: pd.DataFrame, *more, images: bool = True):
        out = tmp_path / "out"
        arguments = [write(table), "--out", out, "--models", run[0] / "models" / "risk"]
        arguments += [*(("--images", tmp_path / "raw") if images else ()), "--horizon", 8, *more]
        monkeypatch.setattr(sys, "argv", ["mammolab", "risk", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        written = [
            pd.read_csv(out / name, keep_default_na=name == "risk.csv")
            if (out / name).is_file()
            else None
            for name in ("risk.csv", "problems.csv")
        ]
        return stop.value.code or 0, *written, *capsys.readouterr()

    return command


def of_chapter(run, name: str) -> np.ndarray:
    """What a model of the run says within five years from the run's own features."""
    folder, said = run
    return HybridModel.load(folder / "models" / "risk" / f"{name}.json").predict(said, 5.0)


def test_files_give_what_the_chapter_says_of_the_same_exams(run, table, score):
    code, written, problems, said, wrong = score(table)
    assert (code, wrong) == (0, "") and problems.empty
    assert f"{4 * N_EXAMS} image files of {N_EXAMS} women, 0 not used" in said
    for name in ("image", "hazard_image", "hazard_hybrid"):
        expected = of_chapter(run, name)
        assert np.ptp(expected) > 1e-3
        np.testing.assert_allclose(written[f"risk_5y_{name}"], expected, rtol=0, atol=1e-7)
    by_column = table.drop(columns="image_files").assign(image_risk=run[1]["image_risk"])
    _, told, *_ = score(by_column, images=False)
    assert not any("hazard" in name for name in told)
    for name in ("risk_5y_image", "risk_5y_hybrid", "risk_8y_hybrid"):
        np.testing.assert_allclose(written[name], told[name], rtol=0, atol=1e-7)
    assert written["factors_used"].str.contains("image_risk").all()


def test_names_start_at_the_folder_of_the_table(run, table, score, tmp_path):
    there = table.assign(image_files=table["image_files"].str.replace("P", "raw/P"))
    _, written, problems, *_ = score(there, images=False)
    assert problems.empty
    expected = of_chapter(run, "image")
    np.testing.assert_allclose(written["risk_5y_image"], expected, rtol=0, atol=1e-7)
    record = json.loads((tmp_path / "out" / "risk.json").read_text())
    assert record["images"]["n_files"] == 4 * N_EXAMS
    assert set(record["images"]["sha256"]) == {
        "texture.json", "images.json", "detector/model.safetensors",
        "hazard_image/model.safetensors", "hazard_hybrid/model.safetensors",
    }  # fmt: skip


def test_files_of_no_use_are_told_and_the_rest_go_on(run, table, score, tmp_path, write_mammogram):
    raw = tmp_path / "raw"
    (raw / "text.dcm").write_text("no image")
    whole = (raw / "P1" / "LCC.dcm").read_bytes()
    (raw / "P1" / "cut.dcm").write_bytes(whole[: len(whole) // 2])
    write_mammogram(raw / "ct.dcm", Modality="CT", SOPInstanceUID="1.3.1")
    files = table["image_files"].tolist()
    files[0] += "; text.dcm ;none.dcm"
    files[1] = "P1/cut.dcm"
    files[2] = "ct.dcm"
    files[3] = "P3/LCC.dcm;P4/RCC.dcm"  # of two women
    files[4] = ""
    code, written, problems, said, wrong = score(table.assign(image_files=files))
    assert (code, wrong) == (0, "")
    scored = written["risk_5y_image"].notna()
    assert scored.tolist() == [True, False, False, False, False, True]
    expected = of_chapter(run, "image")
    np.testing.assert_allclose(
        written.loc[scored, "risk_5y_image"], expected[scored], rtol=0, atol=1e-7
    )
    for name in ("hazard_image", "hazard_hybrid"):
        assert written[f"risk_5y_{name}"].notna().equals(scored)
    assert written["risk_5y_risk_factors"].notna().all()
    assert problems[["exam_id", "row", "value"]].values.tolist() == [
        ["E0", 2, "text.dcm"], ["E0", 2, "none.dcm"], ["E1", 3, "P1/cut.dcm"], ["E2", 4, "ct.dcm"],
        ["E3", 5, "P3/LCC.dcm"], ["E3", 5, "P4/RCC.dcm"],
    ]  # fmt: skip
    assert (problems["column"] == "image_files").all()
    reasons = ["not DICOM", "no such file", "", "CT, not MG", "differ in PatientID", "PatientID"]
    for told, reason in zip(problems["problem"], reasons, strict=True):
        assert told.startswith("image_files '") and reason in told
    assert "none.dcm" in written["problem"][0] and "P1/cut.dcm" in written["problem"][1]
    assert "14 image files of 5 women, 6 not used" in said


def test_a_mistake_in_a_factor_stops_the_hybrid_and_not_the_image(run, table, score):
    table = table.astype({"bmi": object})
    table.loc[2, "bmi"] = "heavy"
    _, written, *_ = score(table)
    kept = np.arange(N_EXAMS) != 2
    assert written["risk_5y_hazard_hybrid"].notna().tolist() == kept.tolist()
    assert written["risk_5y_hazard_image"].notna().all()
    expected = of_chapter(run, "hazard_hybrid")
    np.testing.assert_allclose(
        written.loc[kept, "risk_5y_hazard_hybrid"], expected[kept], rtol=0, atol=1e-7
    )


def test_one_file_in_two_rows_is_nobodys(table, score):
    files = table["image_files"].tolist()
    files[1] = files[0]
    _, written, problems, *_ = score(table.assign(image_files=files))
    assert written["risk_5y_image"].isna().tolist() == [True, True] + 4 * [False]
    assert problems["problem"].str.contains("another row names it too").sum() == 8


def test_a_risk_in_the_table_counts_before_the_files(table, score):
    given = table.assign(image_risk=[0.3, *5 * [np.nan]], image_files=["absent.dcm", *5 * [""]])
    _, written, problems, *_ = score(given)
    assert problems.empty
    assert written["risk_5y_image"].notna().tolist() == [True, *5 * [False]]


def test_models_that_saw_other_images_are_refused(run, table, score, tmp_path):
    record = run[0] / "models" / "risk" / "images.json"
    saved = json.loads(record.read_text())
    detector = run[0] / "models" / "detector" / "config.json"
    refused = {
        "another size": (lambda: record.write_text(json.dumps(saved | {"rows": 32})), "32"),
        "no record": (record.unlink, "holds no images.json"),
    }
    for spoil, word in refused.values():
        spoil()
        code, written, _, said, wrong = score(table)
        assert (code, written, said) == (2, None, "") and wrong.count("\n") == 1
        assert word in wrong or "preprocessing hash" in wrong
    record.write_text(json.dumps(saved))
    other = json.loads(detector.read_text()) | {"preprocessing_hash": "of another size"}
    detector.write_text(json.dumps(other))
    code, written, _, _, wrong = score(table)
    assert code == 2 and written is None and "of another size" in wrong
    assert not (tmp_path / "out").exists()


def test_a_detector_of_other_features_is_refused(run, table, score):
    folder = run[0] / "models" / "detector"
    digest = json.loads((folder / "config.json").read_text())["preprocessing_hash"]
    save_network(
        folder, ResNet18(NetworkConfig(width=8)), pd.DataFrame(), {"preprocessing_hash": digest}
    )
    code, *_, wrong = score(table)
    assert code == 2 and "features" in wrong and wrong.count("\n") == 1


def test_options_that_cannot_be(table, score, tmp_path):
    code, *_, wrong = score(table.drop(columns="image_files"))
    assert code == 2 and "--images" in wrong and "column image_files" in wrong
    code, *_, wrong = score(table.assign(image_files=""))
    assert code == 2 and "names none" in wrong
    code, *_, wrong = score(table, "--images", tmp_path / "nowhere")
    assert code == 2 and "names no folder" in wrong


@pytest.mark.parametrize("spacing_mm", [None, 0.7, 0.0941])
def test_the_hash_of_a_store_tells_how_it_was_made(
    tmp_path, write_mammogram, convert_folder, spacing_mm
):
    raw = tmp_path / "raw"
    pixels = np.full((90, 70), 900, np.uint16)
    write_mammogram(raw / "a.dcm", pixels, ImagerPixelSpacing=[0.3, 0.3])
    _, images = convert_folder(raw, tmp_path / "i.npy", 40, 30, spacing_mm)
    found = Preparation.of_store(images, open_store(tmp_path / "i.npy"))
    assert (found.rows, found.columns, found.spacing_mm) == (40, 30, spacing_mm)
    found.save(tmp_path)
    assert Preparation.load(tmp_path) == found
