"""What a source lacks: which chapters it costs, in whose words, and what is told of it."""

import json

import pytest

from mammolab.data.adapters.base import KINDS, Card
from mammolab.data.adapters.registry import ADAPTERS
from mammolab.data.lacks import GROUPS, LACKS, OPINIONS, PREVALENCE, SENTENCES, lacks_of
from mammolab.errors import InputError
from mammolab.paths import repository_root
from mammolab.pipeline import graph, profile

ENRICHED = {"dates", "follow_up", "reading", "device", PREVALENCE}


def test_nothing_is_left_out_where_nothing_lacks():
    assert graph.left_out(()) == {}
    assert graph.chapters_of_run(own_raw=False) == list(graph.STAGES)


def test_a_set_without_dates_readers_and_prevalence_trains_and_explains():
    assert graph.chapters_of_run(True, ENRICHED) == [
        "02_cohort",
        "03_images",
        "04_detection",
        "05_training_choices",
        "10_explanations",
        "20_manuscript",
    ]
    without_spacing = graph.chapters_of_run(True, ENRICHED | {"spacing"})
    assert "10_explanations" not in without_spacing and "04_detection" in without_spacing


def test_readings_and_weights_bring_calibration_triage_and_subgroups():
    own = graph.chapters_of_run(True, {"dates", "device", "race"})
    assert {"06_calibration", "07_triage", "08_subgroups"} <= set(own)
    assert not {"09_risk", "13_pitfalls_analysis"} & set(own)
    assert "08_subgroups" not in graph.chapters_of_run(True, {"dates", "device", GROUPS})


def test_a_set_that_lacks_nothing_runs_all_but_the_world():
    assert graph.chapters_of_run(True, ()) == list(graph.STAGES)[1:]


def test_a_reason_is_the_sentence_of_what_lacks_or_the_chapter_that_is_built_on():
    reasons = graph.left_out({"breasts"})
    assert reasons["04_detection"] == SENTENCES["breasts"]
    assert reasons["06_calibration"] == "It builds on 04_detection, left out too."
    assert "20_manuscript" not in reasons and "03_images" not in reasons
    own = graph.chapters_of_run(True, {"breasts"})
    assert own == ["02_cohort", "03_images", "20_manuscript"]
    assert "failures" not in graph.inputs_of("20_manuscript", own)
    assert "numbers/04_detection.json" not in graph.inputs_of("20_manuscript", own)


@pytest.mark.parametrize("lack", sorted(SENTENCES))
def test_whatever_lacks_every_input_of_what_runs_is_made(lack):
    chapters = graph.chapters_of_run(True, {lack})
    made = {name for chapter in chapters for name in graph.outputs_of(chapter)}
    for chapter in chapters:
        inputs = graph.inputs_of(chapter, chapters)
        assert {name for name in inputs if not name.startswith("raw/")} <= made, chapter
        spared = set(graph.STAGES[chapter].inputs) - set(inputs)
        allowed = ("truth/", "numbers/", *graph.STAGES[chapter].spares)
        assert all(name.startswith(allowed) for name in spared), chapter


def test_needs_are_known():
    needs = {need for stage in graph.STAGES.values() for need in stage.needs}
    assert needs <= set(SENTENCES)
    spares = {(stage.spares, stage.inputs) for stage in graph.STAGES.values() if stage.spares}
    assert all(set(spared) <= set(inputs) for spared, inputs in spares)


def header(folder, dataset="none", **content):
    content |= {} if dataset is None else {"dataset": dataset}
    (folder / "export.json").write_text(json.dumps(content))
    return folder


def test_what_a_source_lacks_is_read_from_its_header(tmp_path):
    assert lacks_of(None) == lacks_of(tmp_path) == frozenset()
    header(tmp_path, lacks=["dates", "age"], refuses=["ppv"])
    assert lacks_of(tmp_path) == {"dates", "age", PREVALENCE}
    header(tmp_path, lacks=["dates"], refuses=[])
    assert lacks_of(tmp_path) == {"dates"}
    header(tmp_path, lacks=["age", "density", "race", "device"], refuses=[])
    assert GROUPS in lacks_of(tmp_path)
    header(tmp_path, dataset=None, lacks=["dates"], source="a hospital")
    assert lacks_of(tmp_path) == frozenset()
    header(tmp_path, lacks=["dats"])
    with pytest.raises(InputError, match="closest first: dates"):
        lacks_of(tmp_path)
    (tmp_path / "export.json").write_text("{")
    with pytest.raises(InputError, match="not readable JSON"):
        lacks_of(tmp_path)


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_each_data_set_has_a_profile_that_names_the_command(name):
    path = repository_root() / "configs" / f"{name}.yaml"
    loaded = profile.load_profile(name)
    assert loaded.name == loaded.dataset == name
    assert loaded.raw == repository_root() / "data" / name
    text = path.read_text()
    assert f"mammolab adapt {name} FOLDER --out data/{name}" in text
    assert f"./run_all.sh --profile {name}" in text
    if ("intent", "film") in Card.read(name).mapped:
        assert loaded.chapters["03_images"]["film"] is True
    if not loaded.raw.exists():
        with pytest.raises(InputError, match=f"mammolab adapt {name} FOLDER --out"):
            profile.check_raw(loaded)


def test_an_unknown_data_set_is_refused(tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine\ndataset: rnsa\nraw: raw\n")
    with pytest.raises(InputError, match="closest first: rsna"):
        profile.load_profile(str(tmp_path / "mine.yaml"))


def test_a_raw_file_that_is_there_is_an_input(tmp_path):
    parameters = {"raw_dir": str(tmp_path)}
    assert graph.given_files("02_cohort", parameters) == {}
    (tmp_path / "labels.csv").touch()
    assert graph.given_files("02_cohort", parameters) == {"raw/labels.csv": tmp_path / "labels.csv"}
    assert graph.given_files("02_cohort", {}) == {}


def test_an_opinion_is_a_kind_of_label():
    assert set(OPINIONS) < set(KINDS)


def test_every_lack_is_a_sentence():
    assert all(text.endswith(".") and text[0].isupper() for text in LACKS.values())
