"""The sources of a de-identification: every file below a folder, and the identifiers in them."""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from mammolab import __version__
from mammolab.data.deidentify.images import dead, survey
from mammolab.data.index_cache import Journal, resumable_map, stamp, walk
from mammolab.data.tables import FILES

SHARED_BY = 3  # patients: a text of so many is a maker's, not someone's name
EXPORT = "export.json"


def survey_folder(
    folder: Path, journal: Journal, workers: int, tell: Callable[[str], None]
) -> dict[str, dict]:
    """What every file below a folder says of a patient, the tables of an export apart.

    Parameters
    ----------
    folder : of the sources.
    journal : what earlier runs found.
    workers : number of processes.
    tell : takes a line of progress.

    Returns
    -------
    By path, see `images.survey`; the reason is empty for files to be de-identified.
    """
    tables = {EXPORT, *FILES.values()} if (folder / EXPORT).is_file() else set()
    found, items, answers = sorted(walk(folder)), {}, {}
    for path, fault in found:
        if path in tables:
            continue
        answers[path] = {"reason": fault}
        if not fault:
            key = json.dumps([__version__, path, stamp(str(folder / path))])
            items[key] = (str(folder), path)
    resumable_map(survey, items, journal, workers, dead, "files looked at", tell)
    answers |= {item[1]: journal.answers[key] for key, item in items.items()}
    _refuse_copies(answers)
    return answers


def _refuse_copies(answers: dict[str, dict]) -> None:
    """Of files that would get the same name the first by path is used."""
    first: dict[str, str] = {}
    for path in sorted(answers):
        image = answers[path].get("image_uid")
        if not answers[path]["reason"] and image:
            if image in first:
                answers[path] = answers[path] | {
                    "reason": "duplicate: another file has the same SOPInstanceUID"
                }
            first.setdefault(image, path)


def gather(answers: dict[str, dict], ids: dict[str, set[str]]) -> dict[str, set[str]]:
    """All identifiers of files and tables, by kind."""
    everyone: dict[str, set[str]] = defaultdict(set)
    for answer in answers.values():
        for kind, values in answer.get("identifiers", {}).items():
            everyone[kind] |= set(values)
    for column, values in ids.items():
        everyone[column] |= values
    return everyone


def shared_texts(answers: dict[str, dict]) -> frozenset[str]:
    """Kept texts that occur with at least `SHARED_BY` patients."""
    holders: dict[str, set[str]] = defaultdict(set)
    for answer in answers.values():
        for text in answer.get("texts", []):
            holders[text].add(answer["patient_id"])
    return frozenset(text for text, patients in holders.items() if len(patients) >= SHARED_BY)
