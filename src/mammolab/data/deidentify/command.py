"""`mammolab deidentify`: a folder of mammograms, and a hospital's tables, without identities."""

import csv
import json
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mammolab import __version__
from mammolab.data.deidentify import output
from mammolab.data.deidentify.images import Context, dead, write
from mammolab.data.deidentify.leaks import LONG, Needles, leaks_in_table
from mammolab.data.deidentify.pseudonyms import Pseudonyms, read_key
from mammolab.data.deidentify.report import report, sheet
from mammolab.data.deidentify.sources import EXPORT, gather, shared_texts, survey_folder
from mammolab.data.deidentify.tables import (
    ALWAYS_REPLACED,
    Tables,
    deidentify_export,
    deidentify_table,
    identifiers_in,
    read_text,
)
from mammolab.data.index_cache import Journal, resumable_map, stamp
from mammolab.data.tables import FILES, read_export
from mammolab.errors import InputError
from mammolab.files import write_json, write_whole

REPORT = "DEIDENTIFICATION.md"


@dataclass(frozen=True)
class DeidentifyRequest:
    """What is to be de-identified, and how.

    Attributes
    ----------
    folder : of DICOM files at any depth; with export.json in it, a raw export with its tables.
    out : a new or empty folder, or an earlier output.
    key : file of the secret key; made on first use.
    tables : further CSV tables, with a column patient_id.
    keep_columns : names of columns of tables that are kept as they are.
    refuse_burned_in : leave out images with likely burned-in text.
    workers : number of processes.
    """

    folder: Path
    out: Path
    key: Path
    tables: tuple[Path, ...] = ()
    keep_columns: tuple[str, ...] = ()
    refuse_burned_in: bool = False
    workers: int = 1


@dataclass
class Outcome:
    """What a run did.

    Attributes
    ----------
    answers : by path below the folder, what became of each file (see `images.write`).
    tables : what was written of tables.
    withdrawn : tables in which the leak test found something, with what.
    everyone : the identifiers searched for.
    """

    answers: dict[str, dict]
    tables: Tables
    withdrawn: dict[str, list[str]]
    everyone: Needles
    facts: dict = field(default_factory=dict)

    def with_status(self, status: str) -> dict[str, dict]:
        """The files that ended so: written, refused, leak."""
        return {path: one for path, one in self.answers.items() if one["status"] == status}

    @property
    def n_leaks(self) -> int:
        """Files and tables withdrawn."""
        return len(self.with_status("leak")) + len(self.withdrawn)


def deidentify(request: DeidentifyRequest, tell: Callable[[str], None]) -> Outcome:
    """De-identify a folder, search all that was written, and account for every file.

    Parameters
    ----------
    request : what is asked for.
    tell : takes a line of progress.

    Raises
    ------
    InputError : a folder, key, table or option that cannot be used, or nothing to write.
    """
    if request.workers < 1:
        raise InputError(f"--workers is {request.workers}; it must be at least 1.")
    output.require_places(request.folder, request.out, request.key)
    pseudonyms = Pseudonyms(read_key(request.key))
    private = output.private_folder(request.key, request.out)
    with output.alone(request.out, private):
        output.require_ours(request.out, request.folder, pseudonyms)
        tables, ids = _tables(request, pseudonyms)
        output.begin(request.out, request.folder, pseudonyms)
        journal = Journal(private / "survey.jsonl")
        answers = survey_folder(request.folder, journal, request.workers, tell)
        identifiers = gather(answers, ids)
        for answer in answers.values():  # of 100,000 files they take a gigabyte
            answer.pop("identifiers", None)
        everyone = Needles(identifiers)
        done = _write(request, private, pseudonyms, answers, everyone, identifiers, tell)
        outcome = Outcome(done, tables, _write_tables(request.out, tables, everyone), everyone)
        outcome.facts = _header_of_export(request, tables)
        _conclude(request, private, pseudonyms, answers, outcome)
    if not outcome.with_status("written") and not tables.frames and not outcome.n_leaks:
        raise InputError(
            f"{request.folder}: nothing to de-identify among {len(done)} files; "
            f"{request.out / REPORT} counts the reasons, {private / 'files.csv'} gives each file's."
        )
    return outcome


def _tables(
    request: DeidentifyRequest, pseudonyms: Pseudonyms
) -> tuple[Tables, dict[str, set[str]]]:
    """De-identified tables, not yet written, and the ids that their sources hold."""
    keep, ids = set(request.keep_columns), defaultdict(set)
    for column in sorted(keep & {*ALWAYS_REPLACED}):
        raise InputError(
            f"--keep-column names {column}, which is always replaced or moved "
            f"({', '.join(ALWAYS_REPLACED)})."
        )
    sources = {str(path): read_text(path) for path in request.tables}
    tables = Tables()
    if (request.folder / EXPORT).is_file():
        export = read_export(request.folder)
        tables = deidentify_export(request.folder, export, pseudonyms, keep)
        for relative in FILES.values():
            sources[relative] = read_text(request.folder / relative)
    for path in request.tables:
        place = f"tables/{path.name}"
        if place in tables.frames:
            raise InputError(f"two tables are named {path.name}; give one another name.")
        tables.frames[place] = deidentify_table(sources[str(path)], place, pseudonyms, keep, tables)
    for frame in sources.values():
        for column, values in identifiers_in(frame).items():
            ids[column] |= values
    unused = keep - {column for frame in sources.values() for column in frame}
    if unused:
        known = sorted({column for frame in sources.values() for column in frame})
        raise InputError(
            f"--keep-column names {', '.join(sorted(unused))}, which no table has; "
            f"columns: {', '.join(known) or '(no table)'}."
        )
    return tables, ids


def _write(request, private, pseudonyms, answers, everyone, identifiers, tell) -> dict[str, dict]:
    """De-identify what can be, in workers; what an earlier run wrote whole is not done again."""
    shared = shared_texts(answers)
    context = Context(request.out, pseudonyms, everyone, shared, request.refuse_burned_in)
    # Other identifiers, another search: files of an earlier run are searched again with them.
    settings = [__version__, request.refuse_burned_in, sorted(shared)]
    settings.append(sorted((kind, sorted(values)) for kind, values in identifiers.items()))
    digest = pseudonyms.digest("settings", json.dumps(settings)).hex()[:16]
    journal = Journal(private / "written.jsonl")
    done, items = {}, {}
    for path, answer in answers.items():
        if answer["reason"]:
            done[path] = dead((str(request.folder), path)) | {"reason": answer["reason"]}
            continue
        key = json.dumps([digest, path, stamp(str(request.folder / path))])
        items[key] = (str(request.folder), path)
        earlier = journal.answers.get(key)
        if earlier and not (
            earlier["status"] == "written" and (request.out / earlier["path"]).is_file()
        ):
            del journal.answers[key]
    work = partial(write, context=context)
    resumable_map(work, items, journal, request.workers, dead, "files written", tell)
    return done | {item[1]: journal.answers[key] for key, item in items.items()}


def _write_tables(out: Path, tables: Tables, everyone: Needles) -> dict[str, list[str]]:
    """Write the tables and search them; one in which something is found is withdrawn."""
    withdrawn = {}
    for relative, frame in tables.frames.items():
        place = out / relative
        write_whole(place, lambda path, frame=frame: frame.to_csv(path, index=False))
        found = leaks_in_table(place, everyone, tables.written)
        if found:
            withdrawn[relative] = found
            place.unlink()
    return withdrawn


def _header_of_export(request: DeidentifyRequest, tables: Tables) -> dict:
    """export.json of the result; empty where the source is none."""
    source = request.folder / EXPORT
    if not source.is_file():
        return {}
    given = json.loads(source.read_text(encoding="utf-8"))
    kept = {key: given[key] for key in ("extract_date", "registry_complete_through", "synthetic")}
    header = kept | {
        "source": "de-identified export" + (" (synthetic)" if given["synthetic"] else ""),
        "dates": "moved back by 1 to 364 days, a number of each patient's own; days since and "
        "until are true, calendar days, weekdays and seasons are not",
        "registry": "who was seen after registry_complete_through has that day as last contact, "
        f"moved like the rest; {tables.n_late_exams} exams after it were left out",
        "ages": "above 89 given as 90",
    }
    write_json(request.out / EXPORT, header)
    return header


def _conclude(request, private, pseudonyms, answers, outcome: Outcome) -> None:
    """Write report, links and pictures, and finish the output."""
    written = outcome.with_status("written")
    files = {one["path"] for one in written.values()}
    files |= {path for path in outcome.tables.frames if path not in outcome.withdrawn}
    files |= {REPORT} | ({EXPORT} if outcome.facts else set())
    text = report(outcome, sum(len(one) >= LONG for one in outcome.everyone.kinds))
    write_whole(request.out / REPORT, lambda path: path.write_text(text, encoding="utf-8"))
    _write_links(private / "files.csv", outcome.answers)
    _write_people(private / "patients.csv", answers, outcome, pseudonyms)
    suspects = [one["path"] for one in written.values() if one["suspect"]]
    picture = private / "burned_in.png"
    picture.unlink(missing_ok=True)
    if suspects:
        write_whole(picture, lambda path: sheet(request.out, suspects, path, request.workers))
    facts = {"version": __version__, "images": len(written), "leaks": outcome.n_leaks}
    output.finish(request.out, request.folder, pseudonyms, files, facts)


def _write_links(path: Path, done: dict[str, dict]) -> None:
    """Which file became which, and why not: for the owner of the key alone."""

    def rows(place: Path) -> None:
        with _private(place) as file:
            table = csv.writer(file)
            table.writerow(["path", "status", "reason", "new_path", "burned_in"])
            for source, one in sorted(done.items()):
                shown = source.encode("utf-8", "backslashreplace").decode()
                table.writerow([shown, one["status"], one["reason"], one["path"], one["suspect"]])

    write_whole(path, rows)


def _write_people(path, answers, outcome: Outcome, pseudonyms: Pseudonyms) -> None:
    """Who is who: patients and exams with their pseudonyms, for the owner of the key alone."""
    pairs = {
        (answer["patient_id"], answer.get("exam_id") or answer.get("study_uid", ""))
        for path, answer in answers.items()
        if answer.get("patient_id") and outcome.answers[path]["status"] == "written"
    }

    def rows(place: Path) -> None:
        with _private(place) as file:
            table = csv.writer(file)
            table.writerow(["patient_id", "exam_id", "new_patient_id", "new_exam_id", "days"])
            for patient, exam in sorted(pairs):
                new = pseudonyms.of("patient", patient), pseudonyms.of("exam", exam)
                table.writerow([patient, exam, *new, pseudonyms.shift_days(patient)])

    write_whole(path, rows)


def _private(path: Path):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")
