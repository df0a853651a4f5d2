"""The paper compiles from a whole run, says that it is synthetic, and refuses a run with a gap."""

import json
import re
import shutil

import pytest
import typst

from mammolab.data.lacks import GROUPS, PREVALENCE, SENTENCES
from mammolab.errors import InputError, MissingInput
from mammolab.paths import RunPaths, repository_root
from mammolab.pipeline import graph
from mammolab.report.exports import Exports
from mammolab.report.paper import build_paper

SOURCE = repository_root() / "paper"


@pytest.fixture
def run(fabricate, tmp_path):
    return fabricate.write_run(tmp_path / "invented")


def build(fabricate, run, source=SOURCE, exports=None, **facts):
    told = {} if exports is None else {"exports": exports}
    return build_paper(
        run, {**fabricate.FACTS, **facts}, fabricate.CODE_DIGEST, source=source, **told
    )


def exports_that_lack(*lacks, **known) -> Exports:
    """Those of an invented public data set; what they lack comes first in what cannot be said."""
    about = {
        "title": "A set that is none",
        "label_meaning": "Cancer by formula.",
        "given": True,
        "cannot": (*(SENTENCES[one] for one in lacks), "Nothing at all."),
    }
    return Exports(lacks=frozenset(lacks), left_out=graph.left_out(lacks), **about | known)


def leave_out(run: RunPaths, exports: Exports) -> None:
    """Remove from a whole run what it would lack on such exports."""
    for chapter in ("01_world", *exports.left_out):
        (run.numbers / f"{chapter}.json").unlink()
        for figure in run.figures.glob(f"{chapter}_*"):
            figure.unlink()
    run.table("failures").unlink(missing_ok=True)
    cohort = run.numbers / "02_cohort.json"
    numbers = json.loads(cohort.read_text())
    if {"reading", PREVALENCE} & exports.lacks:
        for name in ("recall_rate", "cdr_per_1000", "missed_per_1000", "sensitivity"):
            del numbers[f"cohort.{name}"]
    cohort.write_text(json.dumps(numbers))


def words_of(run: RunPaths, kind: str = "heading") -> str:
    """All the text of one kind of element in the compiled paper."""
    folder = run.root / "paper"
    tree = typst.query(str(folder / "paper.typ"), kind, root=str(folder), ignore_system_fonts=True)
    return " ".join(re.findall(r'"text":\s*"((?:[^"\\]|\\.)*)"', tree))


def captions_of(run: RunPaths) -> list[dict]:
    """Every caption of the compiled paper, as typst's own tree of words."""
    folder = run.root / "paper"
    return json.loads(
        typst.query(
            str(folder / "paper.typ"), "figure.caption", root=str(folder), ignore_system_fonts=True
        )
    )


def test_the_paper_is_the_same_bytes_twice(fabricate, run):
    first = build(fabricate, run)
    assert first == run.paper
    pdf = first.read_bytes()
    assert pdf.startswith(b"%PDF")
    assert build(fabricate, run).read_bytes() == pdf
    numbers = json.loads(run.numbers_json.read_text())
    assert numbers["run.profile"]["value"] == "demo"
    assert numbers["triage.margin"]["chapter"] == "07_triage"


def test_every_caption_of_a_synthetic_run_says_so(fabricate, run):
    build(fabricate, run)
    captions = captions_of(run)
    assert len(captions) == 53  # forty-seven figures, six tables
    assert all("ynthetic" in json.dumps(caption) for caption in captions)


def test_a_real_run_needs_no_world_and_is_not_called_synthetic(fabricate, run):
    (run.numbers / "01_world.json").unlink()
    (run.figures / "01_world_targets.svg").unlink()
    detection = run.numbers / "04_detection.json"
    numbers = json.loads(detection.read_text())
    del numbers["detection.auc_ideal"], numbers["detection.below_ideal"]
    detection.write_text(json.dumps(numbers))
    build(fabricate, run, synthetic=False)
    captions = captions_of(run)
    assert len(captions) == 51
    assert "ynthetic" not in json.dumps(captions)


def test_synthetic_exports_brought_as_ones_own_have_no_truth_and_still_say_synthetic(
    fabricate, run
):
    (run.numbers / "01_world.json").unlink()
    (run.figures / "01_world_targets.svg").unlink()
    build(fabricate, run)
    assert all("ynthetic" in json.dumps(caption) for caption in captions_of(run))
    rows = json.loads((run.root / "paper" / "comparison.json").read_text())
    assert all(row["truth"] is None for row in rows)


ENRICHED = ("dates", "follow_up", "reading", "age", "density", "race", "device", PREVALENCE)


def test_sections_of_absent_chapters_are_left_out_and_their_questions_listed(fabricate, run):
    exports = exports_that_lack(*ENRICHED)
    leave_out(run, exports)
    build(fabricate, run, synthetic=False, exports=exports)
    headings = words_of(run)
    for kept in ("Detection", "Training choices", "Where the network looks", "cannot show"):
        assert kept in headings
    for gone in ("Calibration", "Triage", "Subgroups", "Five-year", "get it wrong", "laboratory"):
        assert gone not in headings
    assert len(captions_of(run)) == 15  # twelve figures, three tables
    listed = words_of(run, "list")
    assert listed.count("Left out for it") == 3  # prevalence, readers, dates
    for chapter in exports.left_out:
        assert graph.STAGES[chapter].question in listed
    assert "Nothing at all." in listed and SENTENCES["race"] in listed
    rows = json.loads((run.root / "paper" / "comparison.json").read_text())
    assert [row["item"] for row in rows] == ["AUC of the network"]


def test_a_set_of_cohort_and_images_alone_has_a_paper(fabricate, run):
    exports = exports_that_lack(*ENRICHED, "breasts", "spacing")
    leave_out(run, exports)
    build(fabricate, run, synthetic=False, exports=exports)
    headings = words_of(run)
    assert "Cohort and images" in headings and "Detection" not in headings
    assert len(captions_of(run)) == 4


def test_readings_and_weights_keep_triage(fabricate, run):
    exports = exports_that_lack("dates", "device")
    leave_out(run, exports)
    build(fabricate, run, synthetic=False, exports=exports)
    headings = words_of(run)
    assert "Triage" in headings and "Subgroups" in headings and "Five-year" not in headings


def test_triage_without_subgroups(fabricate, run):
    exports = exports_that_lack("dates", "device", GROUPS)
    leave_out(run, exports)
    build(fabricate, run, synthetic=False, exports=exports)
    headings = words_of(run)
    assert "Triage" in headings and "Subgroups" not in headings


def test_a_label_that_is_an_opinion_is_called_so_in_every_caption(fabricate, run):
    exports = exports_that_lack(*ENRICHED, "pathology", opinion=True)
    leave_out(run, exports)
    build(fabricate, run, synthetic=False, exports=exports)
    assert all("opinion" in json.dumps(caption) for caption in captions_of(run))
    other = exports_that_lack(*ENRICHED)
    build(fabricate, run, synthetic=False, exports=other)
    assert "opinion" not in json.dumps(captions_of(run))


def test_what_an_earlier_run_left_of_a_chapter_that_is_left_out_is_passed_over(fabricate, run):
    exports = exports_that_lack("dates", PREVALENCE)
    build(fabricate, run, synthetic=False, exports=exports)
    numbers = json.loads(run.numbers_json.read_text())
    assert not [key for key in numbers if key.startswith(("triage.", "calibration.", "risk."))]
    assert "detection.auc" in numbers


def test_what_a_set_can_tell_is_asked_for(fabricate, run):
    exports = exports_that_lack(*ENRICHED)
    leave_out(run, exports)
    (run.numbers / "05_training_choices.json").unlink()
    with pytest.raises(MissingInput, match="05_training_choices: choices"):
        build(fabricate, run, synthetic=False, exports=exports)


def test_a_missing_number_stops_the_build(fabricate, run):
    fabricate.write_numbers(run, without="triage.threshold")
    with pytest.raises(MissingInput, match=r"07_triage: triage.threshold.*run_all.sh 07_triage"):
        build(fabricate, run)
    assert not run.paper.exists()


def test_a_missing_figure_stops_the_build(fabricate, run):
    (run.figures / "09_risk_auc.svg").unlink()
    with pytest.raises(MissingInput, match="09_risk_auc"):
        build(fabricate, run)


def test_a_run_with_one_device_has_no_figure_of_repairs_and_says_so(fabricate, run):
    (run.figures / "12_pitfalls_models_repairs.svg").unlink()
    build(fabricate, run)
    assert len(captions_of(run)) == 52


def test_a_missing_published_figure_stops_the_build(fabricate, run, tmp_path):
    source = shutil.copytree(SOURCE, tmp_path / "source", ignore=shutil.ignore_patterns("*.pdf"))
    lines = (source / "published.csv").read_text().splitlines(keepends=True)
    lines = [line for line in lines if not line.startswith("zech.site_auc")]
    (source / "published.csv").write_text("".join(lines))
    with pytest.raises(MissingInput, match="zech.site_auc"):
        build(fabricate, run, source=source)


def test_numbers_that_could_not_be_estimated_are_printed_so(fabricate, run):
    for path in run.numbers.glob("*.json"):
        content = json.loads(path.read_text())
        for number in content.values():
            number.update(value=None, ci_low=None, ci_high=None)
        path.write_text(json.dumps(content))
    assert build(fabricate, run).exists()


def test_facts_of_the_run_are_checked(fabricate, run):
    with pytest.raises(InputError, match="profile, synthetic, wall_s"):
        build_paper(run, {"profile": "demo"}, fabricate.CODE_DIGEST)


def test_an_error_of_the_source_is_one_of_typst(fabricate, run, tmp_path):
    source = shutil.copytree(SOURCE, tmp_path / "source", ignore=shutil.ignore_patterns("*.pdf"))
    with (source / "paper.typ").open("a") as stream:
        stream.write("\n#no-such-function()\n")
    with pytest.raises(InputError, match="unknown variable: no-such-function"):
        build(fabricate, run, source=source)


def prose(source: str) -> str:
    """A typst source without comments, code arguments, labels and citations."""
    text = re.sub(r"(?<!:)//[^\n]*", "", source)
    text = re.sub(r'"[^"]*"', "", text)
    text = re.sub(r"^#let [^\n]*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"@[\w-]+", "", text)
    text = re.sub(r"\b(d|below|columns|inset|x|y|width|placement): [\w.()]+", "", text)
    text = re.sub(r"\b[\d.]+(fr|pt|em|mm|%)", "", text)
    return text


def test_no_number_is_typed_in_the_paper():
    source = (SOURCE / "paper.typ").read_text()
    assert re.findall(r"[^\n]*\d[^\n]*", prose(source)) == []


def test_no_semicolon_is_swallowed():
    """Typst takes a semicolon after a call as the call's end and prints nothing."""
    source = (SOURCE / "paper.typ").read_text()
    assert re.findall(r"[^\n]*[)\]];[^\n]*", source) == []
