"""The graph of chapters: the one place that says what each reads, writes and needs.

workflow/Snakefile and `open_chapter` both read `STAGES`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import yaml

from mammolab.data.lacks import GROUPS, PREVALENCE, SENTENCES
from mammolab.paths import repository_root, run_root


@dataclass(frozen=True)
class Stage:
    """One chapter and its place in the graph.

    Parameters
    ----------
    question : str
        What the chapter asks.
    inputs, outputs : tuple of str
        Artefacts. A bare word is a table (tables/<word>.parquet); anything with a slash or a dot
        is a path inside the run's folder. Where a profile brings its own raw exports, raw/... is
        taken from there. numbers/<chapter>.json is an output of every chapter and goes unsaid.
    threads : int
        Cores the chapter can use; it is given no more than the run has.
    figures : tuple of str
        Names of the figures it draws.
    sources : tuple of str
        Files of the repository, beside Python code, that shape what it makes.
    file_parameters : tuple of str
        Parameters that name a file of the user's, an input where it is given. What the chapter
        draws from it is no figure in `figures`: those are always drawn.
    needs : tuple of str
        What the source of the exports must not lack, keys of `data.lacks.SENTENCES`; the chapter
        is left out where it does.
    spares : tuple of str
        Inputs, beside numbers and the truth, that the chapter does without where the chapter that
        makes them is left out. Without any other it is left out too.
    raw_extras : tuple of str
        Files of the raw exports that are inputs where they are there: a public data set's.
    """

    question: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    threads: int = 1
    figures: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    file_parameters: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()
    raw_extras: tuple[str, ...] = ()


MANUSCRIPT = "20_manuscript"
RAW_TABLES = (
    "raw/export.json",
    "raw/ehr/patients.csv",
    "raw/ehr/exams.csv",
    "raw/registry/cancers.csv",
    "raw/pathology/reports.csv",
)
TRUTH_TABLES = (
    "truth/truth_women.parquet",
    "truth/truth_exams.parquet",
    "truth/truth_lesions.parquet",
)

RISK_CONSTANTS = (
    "src/mammolab/risk/gail_constants.json",
    "src/mammolab/risk/tyrer_cuzick_like_constants.json",
)
# The card names the digest of the weights beside it.
FORMULA_WEIGHTS = ("src/mammolab/model/weights/formula_w16.json",)

MANY = 16  # at most; a run on fewer cores has each chapter take all of them

STAGES: dict[str, Stage] = {
    "01_world": Stage(
        "What is in the embedded programme, and does it behave like the published ones?",
        inputs=(),
        outputs=(*RAW_TABLES, *TRUTH_TABLES, "world_tiles.npy"),
        threads=MANY,
        figures=("images", "targets"),
        sources=(*RISK_CONSTANTS, "src/mammolab/world/percept.json"),
    ),
    "02_cohort": Stage(
        "Who is studied, and with which labels and follow-up?",
        inputs=RAW_TABLES,
        outputs=("patients", "exams", "diagnoses", "cohort", "cohort_flow", "outcomes"),
        figures=("flow", "composition"),
        raw_extras=("labels.csv", "images.csv"),
    ),
    "03_images": Stage(
        "How does a DICOM file become a model's input?",
        inputs=("raw/export.json", "cohort", "cohort_flow"),
        outputs=("dicom_index", "images", "images.npy", "flow"),
        threads=MANY,
        figures=("contact_sheet",),
    ),
    "04_detection": Stage(
        "How well does a network trained on single images find cancer?",
        inputs=(
            "cohort",
            "patients",
            "images",
            "images.npy",
            # for the ceiling alone, once all is trained and scored
            "truth/truth_exams.parquet",
            "truth/truth_lesions.parquet",
            "numbers/01_world.json",
        ),
        outputs=(
            "predictions_detection",
            "models/detector/model.safetensors",
            "models/detector/config.json",
            "results_04_detection",
        ),
        threads=MANY,
        figures=("training", "roc", "ladder"),
        sources=FORMULA_WEIGHTS,
        needs=("breasts",),
    ),
    "05_training_choices": Stage(
        "Which choices in training matter?",
        # the ceiling of chapter 04 is drawn beside the curves
        inputs=("cohort", "images", "images.npy", "numbers/04_detection.json"),
        outputs=("results_05_training_choices",),
        figures=("first_weights", "choices", "learning"),
        sources=FORMULA_WEIGHTS,
        needs=("breasts",),
    ),
    "06_calibration": Stage(
        "How does one get from balanced batches back to real incidence?",
        inputs=("cohort", "predictions_detection"),
        outputs=(
            "predictions_calibrated",
            "models/detector/calibrator.json",
            "models/detector/calibrators.json",
            "results_06_calibration",
        ),
        figures=("overconfidence", "reliability", "groups"),
        needs=(PREVALENCE,),
    ),
    "07_triage": Stage(
        "How many mammograms may go unread, and at what cost?",
        inputs=(
            "cohort",
            "predictions_calibrated",
            "images",
            "images.npy",
            "truth/truth_women.parquet",  # for the fate of the missed, once all is chosen
        ),
        outputs=("triage", "results_07_triage"),
        figures=(
            "threshold",
            "readers",
            "promises",
            "percentiles",
            "quiz",
            "pathways",
            "worklist",
            "consequences",
        ),
        file_parameters=("reader_study",),
        needs=("reading", PREVALENCE),
    ),
    "08_subgroups": Stage(
        "For whom does it work less well?",
        inputs=("cohort", "predictions_calibrated", "triage"),
        outputs=("results_08_subgroups",),
        figures=("forest", "gaps", "triage_by_group", "calibration"),
        needs=("reading", PREVALENCE, GROUPS),
    ),
    "09_risk": Stage(
        "Who gets cancer within five years?",
        inputs=(
            "cohort",
            "patients",
            "outcomes",
            "images",
            "images.npy",
            "models/detector/model.safetensors",
            "models/detector/config.json",
            # for the ceiling, the image score's parts and the policies, once all is trained
            "truth/truth_women.parquet",
            "truth/truth_exams.parquet",
        ),
        outputs=(
            "predictions_risk",
            "models/risk/factors.json",
            "models/risk/logistic.json",
            "models/risk/texture.json",
            "models/risk/image.json",
            "models/risk/hybrid.json",
            "models/risk/hazard_image.json",
            "models/risk/hazard_image/model.safetensors",
            "models/risk/hazard_image/config.json",
            "models/risk/hazard_hybrid.json",
            "models/risk/hazard_hybrid/model.safetensors",
            "models/risk/hazard_hybrid/config.json",
            "results_09_risk",
        ),
        # and policy, where the truth is known
        figures=(
            "auc",
            "auc_by_year",
            "exclusion",
            "calibration",
            "capture",
            "incidence",
            "subgroups",
            "grid",
        ),
        file_parameters=("tyrer_cuzick_scores",),
        sources=("paper/published.csv", *RISK_CONSTANTS),
        needs=("dates", "follow_up", PREVALENCE),
    ),
    "10_explanations": Stage(
        "Where does the network look, and is the lesion there?",
        inputs=(
            "cohort",
            "patients",
            "exams",
            "images",
            "images.npy",
            "predictions_detection",
            "models/detector/model.safetensors",
            "models/detector/config.json",
            "truth/truth_exams.parquet",
            "truth/truth_lesions.parquet",
        ),
        outputs=("explanation_tiles.npy", "results_10_explanations"),
        figures=("maps", "localisation", "marker"),
        needs=("breasts", "spacing"),
    ),
    "11_pitfalls_data": Stage(
        "How does one fool oneself with data?",
        inputs=("cohort", "outcomes", "images", "images.npy", "predictions_calibrated"),
        outputs=("pitfalls_data", "results_11_pitfalls_data"),
        figures=("composition", "sources", "who_pays", "doses"),
        sources=FORMULA_WEIGHTS,
        needs=("dates", "follow_up", "reading", "device", PREVALENCE),
    ),
    "12_pitfalls_models": Stage(
        "How does one fool oneself with models?",
        inputs=(
            "cohort",
            "dicom_index",
            "images",
            "images.npy",
            "predictions_calibrated",
            "models/detector/model.safetensors",
            "models/detector/config.json",
        ),
        outputs=("pitfalls_models", "results_12_pitfalls_models"),
        # and devices and repairs, where there are two devices
        figures=("doses",),
        needs=(PREVALENCE, "device"),
    ),
    "13_pitfalls_analysis": Stage(
        "How does one fool oneself when all that is left is to analyse?",
        inputs=(
            "cohort",
            "patients",
            "outcomes",
            "predictions_calibrated",
            "predictions_risk",
            # for the scoreboard of all failures
            "pitfalls_data",
            "pitfalls_models",
        ),
        outputs=("pitfalls_analysis", "failures", "results_13_pitfalls_analysis"),
        figures=("cancers_to_know", "replicates", "doses", "guards", "scoreboard"),
        sources=("benchmarks/guards.csv",),
        needs=("dates", "follow_up", "reading", "device", PREVALENCE),
    ),
    MANUSCRIPT: Stage(
        "Is anything missing, and what does the paper look like?",
        inputs=(
            "raw/export.json",
            "cohort",
            "failures",
            *(
                f"numbers/{chapter}.json"
                for chapter in (
                    "01_world",
                    "02_cohort",
                    "03_images",
                    "04_detection",
                    "05_training_choices",
                    "06_calibration",
                    "07_triage",
                    "08_subgroups",
                    "09_risk",
                    "10_explanations",
                    "11_pitfalls_data",
                    "12_pitfalls_models",
                    "13_pitfalls_analysis",
                )
            ),
        ),
        outputs=("numbers.json", "results", "paper.pdf"),
        sources=(
            "paper/paper.typ",
            "paper/template.typ",
            "paper/references.bib",
            "paper/published.csv",
            "benchmarks/guards.csv",
            "src/mammolab/data/lacks.py",
        ),
        spares=("failures",),
    ),
}


def read_stages(path: Path) -> dict[str, Stage]:
    """Read stages from YAML: question, inputs, outputs, threads, file_parameters by chapter."""
    return {
        name: Stage(
            given["question"],
            tuple(given.get("inputs", ())),
            tuple(given.get("outputs", ())),
            given.get("threads", 1),
            file_parameters=tuple(given.get("file_parameters", ())),
        )
        for name, given in yaml.safe_load(path.read_text(encoding="utf-8")).items()
    }


# A companion study (MAMMOLAB_ROOT) lists chapters of its own.
_OTHER_STAGES = repository_root() / "workflow" / "stages.yaml"
if _OTHER_STAGES.exists():
    STAGES = read_stages(_OTHER_STAGES)


def given_files(chapter: str, parameters: dict) -> dict[str, Path]:
    """Return the files that a chapter is given beside its inputs, by the name to give them.

    Those that its parameters name (empty ones are out), and of its `raw_extras` those that a
    user's raw exports hold. A relative path is taken from the repository's root, as a run's folder
    is.
    """
    stage = STAGES[chapter]
    named = {name: parameters.get(name) for name in stage.file_parameters}
    files = {name: run_root(path) for name, path in named.items() if path}
    if raw := parameters.get("raw_dir"):
        extras = {f"raw/{name}": run_root(raw) / name for name in stage.raw_extras}
        files |= {name: path for name, path in extras.items() if path.is_file()}
    return files


def threads_of(chapter: str, parameters: dict) -> int:
    """Return the cores that a chapter is given: the stage's, or more where a profile asks for it."""
    return max(STAGES[chapter].threads, int(parameters.get("threads", 1)))


def is_table(artefact: str) -> bool:
    """Say whether an artefact's name stands for a table."""
    return "/" not in artefact and "." not in artefact


def artefact_path(artefact: str, root: Path, raw: Path) -> Path:
    """Return the file of an artefact.

    Parameters
    ----------
    artefact : str
        A name as in `Stage.inputs`.
    root : Path
        The run's folder.
    raw : Path
        The folder of raw exports, in the run's folder or elsewhere.
    """
    if is_table(artefact):
        return root / "tables" / f"{artefact}.parquet"
    if artefact.startswith("raw/"):
        return raw / artefact.removeprefix("raw/")
    return root / artefact


def done_marker(chapter: str) -> str:
    """Return the artefact that says a chapter is done."""
    return f"numbers/{chapter}.json"


def outputs_of(chapter: str) -> tuple[str, ...]:
    """Return every artefact a chapter writes, its done marker last."""
    stage = STAGES[chapter]
    figures = (
        f"figures/{chapter}_{name}.{kind}" for name in stage.figures for kind in ("svg", "json")
    )
    return (*stage.outputs, *figures, done_marker(chapter))


def producer_of(artefact: str) -> str | None:
    """Return the chapter that writes an artefact, or None when no chapter does."""
    return next((chapter for chapter in STAGES if artefact in outputs_of(chapter)), None)


def chapters_of_run(own_raw: bool, lacks: Collection[str] = ()) -> list[str]:
    """Return the chapters of a run.

    Those that make the raw exports go when the user brings them, and of the others those that
    cannot do without what the exports lack.

    Parameters
    ----------
    own_raw : bool
        Whether the profile names a folder of raw exports.
    lacks : collection of str
        What these lack, as `data.lacks.lacks_of` returns it.
    """
    makes_raw = {
        chapter
        for chapter, stage in STAGES.items()
        if any(artefact.startswith("raw/") for artefact in stage.outputs)
    }
    out = {*left_out(lacks), *(makes_raw if own_raw else ())}
    return [chapter for chapter in STAGES if chapter not in out]


def left_out(lacks: Collection[str]) -> dict[str, str]:
    """Return the chapters that cannot run on a source, each with the sentence that says why.

    Parameters
    ----------
    lacks : collection of str
        As for `chapters_of_run`.
    """
    reasons: dict[str, str] = {}
    for chapter, stage in STAGES.items():  # makers come before those that read them
        missing = [need for need in stage.needs if need in lacks]
        makers = {producer_of(name) for name in stage.inputs if not _is_spared(stage, name)}
        gone = [maker for maker in reasons if maker in makers]
        if missing:
            reasons[chapter] = SENTENCES[missing[0]]
        elif gone:
            reasons[chapter] = f"It builds on {', '.join(gone)}, left out too."
    return reasons


def _is_spared(stage: Stage, artefact: str) -> bool:
    """Say whether a chapter does without an input whose maker is left out."""
    return artefact.startswith(("truth/", "numbers/")) or artefact in stage.spares


def with_ancestors(wanted: tuple[str, ...], chapters: list[str]) -> set[str]:
    """Return the wanted chapters of a run and all they need; all of the run's when none is named."""
    todo, found = list(wanted or chapters), set()
    while todo:
        chapter = todo.pop()
        found.add(chapter)
        makers = {producer_of(artefact) for artefact in inputs_of(chapter, chapters)}
        todo += [maker for maker in makers & set(chapters) if maker not in found]
    return found


def inputs_of(chapter: str, chapters: list[str]) -> list[str]:
    """Return what a chapter reads in a run of `chapters`.

    What absent chapters make is left out, such as the truth behind exports of one's own; raw
    exports are there all the same.
    """
    absent = {
        artefact
        for other in STAGES
        if other not in chapters
        for artefact in outputs_of(other)
        if not artefact.startswith("raw/")
    }
    return [artefact for artefact in STAGES[chapter].inputs if artefact not in absent]
