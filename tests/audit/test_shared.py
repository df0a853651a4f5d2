"""The audit on real tables: what is known of them is found, whatever else is there."""

import json

import pytest

from mammolab.audit.command import AuditRequest, audit


@pytest.fixture
def judged(shared_data, tmp_path):
    """A function (path in the folder of real data, **options) that gives the checks by name."""

    def run(relative, **how):
        path = shared_data / relative
        code = audit(AuditRequest((path,), **how), tmp_path / "out", lambda line: None)
        record = json.loads((tmp_path / "out" / "audit.json").read_text())
        assert code == record["exit_code"]
        return record, {one["name"]: one for one in record["checks"]}

    return run


def test_the_folders_of_the_nih_sample_leak_patients(judged):
    record, found = judged("nih1000")
    assert record["layout"] == "folder" and record["exit_code"] == 1
    leak = found["patient_overlap"]
    assert leak["level"] == "red" and leak["sentence"].startswith("18 of 153 patients")
    assert found["duplicate_images"]["level"] == "green"
    assert found["border_probe"]["level"] != "skipped"
    assert found["prevalence"]["level"] == "skipped"  # no screening set


def test_cbis_is_enriched_and_was_called_back(judged):
    record, found = judged("mammo_label_tables/cbis_ddsm_mass_case_description_train_set.csv")
    assert record["layout"] == "cbis" and record["n_rows"] == 1317
    assert found["prevalence"]["level"] == "red"
    assert "enriched 83-fold" in found["prevalence"]["sentence"]
    assert found["label_source"]["level"] == "red"  # every cancer of the set was called back
    assert found["alone_density"]["level"] == "green"
    assert found["patient_overlap"]["level"] == "skipped"  # one file, one part of the split


def test_the_parts_of_cmmd_tell_the_class(judged):
    record, found = judged("mammo_label_tables/cmmd_raw_label.csv")
    assert record["layout"] == "cmmd"
    site = found["alone_site"]
    assert site["level"] == "red" and site["low"] <= site["statistic"] <= site["high"]
    assert 0.75 < site["statistic"] < 0.82
    assert found["prevalence"]["level"] == "red"


def test_the_reader_study_is_enriched(judged):
    record, found = judged(
        "nyu_reader_study/results_half_by_exam.csv", score_column="AI_GMIC_top5_POM"
    )
    assert record["layout"] == "nyu" and record["n_units"] == 365
    assert found["prevalence"]["level"] == "red"
    assert found["disclosure"]["level"] == "amber"
    assert found["calibration"]["level"] != "skipped"


def test_adjudicated_chest_x_rays(judged):
    record, found = judged("nih_cxr14_tables/google2019_four_findings_validation.csv")
    assert record["layout"] == "nih" and record["n_rows"] == 2414
    assert "Ages above 120 were taken for unknown: 1." in record["notes"]
    assert found["alone_view"]["level"] != "skipped"
    assert "a finding" in found["alone_view"]["sentence"]


def test_112120_chest_x_rays(judged):
    """Who is photographed in bed, from the front, has oedema more often: the view alone tells."""
    record, found = judged("nih_cxr14_tables/Data_Entry_2017_v2020.csv.gz", label="Edema")
    assert record["n_rows"] == 112_120 and record["n_patients"] == 30_805
    view = found["alone_view"]
    assert view["level"] == "red" and 0.7 < view["statistic"] < 0.8
    assert "The view alone tells edema" in view["sentence"]
    assert found["prevalence"]["level"] == "skipped"
