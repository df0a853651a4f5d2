"""Numbers are gathered once each, and what the paper asks for is read from its source."""

import json

import pytest

from mammolab.errors import InputError, MissingInput
from mammolab.paths import repository_root
from mammolab.pipeline import graph
from mammolab.report.numbers import (
    chapter_of,
    check_complete,
    merge_numbers,
    needs_truth,
    plain_number,
    required_figures,
    required_numbers,
    required_published,
)


def write(folder, chapter, **numbers):
    content = {key.replace("__", "."): plain_number(v, chapter) for key, v in numbers.items()}
    (folder / f"{chapter}.json").write_text(json.dumps(content))


def test_numbers_of_all_chapters_but_the_manuscript(tmp_path):
    write(tmp_path, "07_triage", triage__threshold=0.1)
    write(tmp_path, "02_cohort", cohort__n_exams=3)
    write(tmp_path, "20_manuscript", run__wall_s=1.0)
    merged = merge_numbers(tmp_path)
    assert list(merged) == ["cohort.n_exams", "triage.threshold"]
    assert merged["triage.threshold"]["chapter"] == "07_triage"


def test_a_key_of_two_chapters_is_refused(tmp_path):
    write(tmp_path, "04_detection", detection__auc=0.7)
    write(tmp_path, "08_subgroups", detection__auc=0.8)
    with pytest.raises(InputError, match="detection.auc .* 04_detection and 08_subgroups"):
        merge_numbers(tmp_path)


def test_a_number_without_value_is_refused(tmp_path):
    (tmp_path / "04_detection.json").write_text('{"detection.auc": 0.7}')
    with pytest.raises(InputError, match="detection.auc in 04_detection.json has no 'value'"):
        merge_numbers(tmp_path)


def test_no_numbers_at_all(tmp_path):
    with pytest.raises(MissingInput, match="no chapter has left numbers"):
        merge_numbers(tmp_path)


def test_missing_numbers_are_listed_under_their_chapter():
    have = {"cohort.n_exams": plain_number(3, "02_cohort")}
    required = {"cohort.n_exams", "triage.threshold", "detection.auc", "triage.margin"}
    with pytest.raises(MissingInput) as caught:
        check_complete(have, required, truth_known=True)
    message = str(caught.value)
    assert "3 number(s)" in message
    assert "04_detection: detection.auc; 07_triage: triage.margin, triage.threshold" in message
    assert "`./run_all.sh 04_detection`, `./run_all.sh 07_triage`" in message


def test_truth_is_not_asked_of_a_real_run():
    required = {
        "world.sensitivity", "detection.auc_ideal", "detection.below_ideal",
        "explain.pointing_occlusion",
    }  # fmt: skip
    assert all(map(needs_truth, required))
    assert not needs_truth("detection.auc_baseline_age")
    assert not needs_truth("explain.marker_auc_shortcut_plain")  # the marker is our own
    assert not needs_truth("pitfalls.enriched_test_set.true")  # an estimate, on women as they come
    check_complete({}, required, truth_known=False)
    with pytest.raises(MissingInput):
        check_complete({}, required, truth_known=True)


def test_calls_are_read_from_the_source():
    source = """
    #num("a.b", d: 1) #ci("c.d", percent: true) #pvalue( "e.f") #either("g.h", below: 1, [x], [y])
    #if value("i.j") > 1 [see https://example.org/num("no.url")]
    // #num("commented.out")
    #fig("01_figure", [Caption.]) #pub("paper.item") #let num(key, d: 2) = none #renum("no.no")
    """
    keys = required_numbers(source)
    assert keys == {"a.b", "c.d", "e.f", "g.h", "i.j", "no.url"}
    assert required_figures(source) == {"01_figure"}
    assert required_published(source) == {"paper.item"}


def test_a_key_that_cannot_be_checked_is_refused():
    with pytest.raises(InputError, match="must be a text"):
        required_numbers('#num("triage." + name)[x] #num(key)')


def test_invented_numbers_are_those_the_paper_reads(fabricate):
    source = (repository_root() / "paper" / "paper.typ").read_text()
    read = {key for key in required_numbers(source) if not key.startswith("run.")}
    assert read <= set(fabricate.NUMBERS)


def test_the_manuscript_waits_for_every_chapter_whose_numbers_it_prints():
    source = (repository_root() / "paper" / "paper.typ").read_text(encoding="utf-8")
    chapters = {chapter_of(key) for key in required_numbers(source)} - {graph.MANUSCRIPT}
    markers = {graph.done_marker(chapter) for chapter in chapters}
    assert markers <= set(graph.STAGES[graph.MANUSCRIPT].inputs)
