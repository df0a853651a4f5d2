"""What a data set may lack, and what then cannot be said; the one home of these sentences.

Adapters declare it, the data sheet, the command line and the paper print it, and
pipeline/graph.py leaves chapters out by it.
"""

from __future__ import annotations

import json
from pathlib import Path

from mammolab.errors import InputError, unknown_name

LACKS = {
    "dates": "No dates: no order of exams, no intervals, no split in time.",
    "follow_up": "No follow-up: no cancers between rounds, no risk over years, and a negative is "
    "a woman of whom nothing more is known.",
    "pathology": "No pathology: the label is an opinion on the image, and performance against it "
    "is agreement with readers, not detection of cancer.",
    "invasive": "Invasive and in-situ cancers are not told apart.",
    "reading": "No reader's decision: no recall rate, and no comparison with readers.",
    "normals": "No healthy women: specificity is among lesions, not among women screened.",
    "patients": "No patient ids: two exams of one woman cannot be told, nor kept in one part of a "
    "split; intervals may be too narrow.",
    "breasts": "No label by breast: the side of a cancer is not told, so that no network can learn "
    "it from single images.",
    "age": "No age.",
    "density": "No breast density.",
    "race": "No race or ethnicity: fairness by it cannot be examined.",
    "device": "No maker or model of the machine in the tables.",
    "spacing": "No pixel spacing: sizes in millimetres cannot be given.",
}
# What the share of cancers enters; refused without weights where that share is the collection's.
NEED_PREVALENCE = {
    "ppv": "PPV",
    "npv": "NPV",
    "recall_rate": "recall rate",
    "cancer_detection_rate": "cancer detection rate",
    "calibration_in_the_large": "calibration in the large",
    "net_benefit": "net benefit",
}
# Lacking where these are refused, and where none of `GROUPING` is told.
PREVALENCE, GROUPS = "prevalence", "groups"
GROUPING = ("age", "density", "race", "device")
SENTENCES = LACKS | {
    GROUPS: f"None of {', '.join(GROUPING)} is told: no subgroups to compare.",
    PREVALENCE: f"Refused without sampling weights: {', '.join(NEED_PREVALENCE.values())}; the share "
    "of cancers is that of the collection, not of a population.",
}
# Kinds of a label that are somebody's reading of the image.
OPINIONS = ("surrogate_birads", "text_mined")


def lacks_of(raw: Path | None) -> frozenset[str]:
    """What the source behind a folder of raw exports lacks: keys of `SENTENCES`.

    Parameters
    ----------
    raw : the folder; None, or one that no `mammolab adapt` has written, lacks nothing.

    Raises
    ------
    InputError : export.json is not readable JSON, or names what nobody knows.
    """
    path = None if raw is None else raw / "export.json"
    if path is None or not path.is_file():
        return frozenset()
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not readable JSON ({error}).") from None
    if not isinstance(header, dict) or "dataset" not in header:
        return frozenset()  # a hospital's own exports are held to be whole
    lacks = header.get("lacks", [])
    for key in lacks:
        if key not in LACKS:
            raise unknown_name(f"lack in {path}", str(key), LACKS)
    found = set(lacks)
    if header.get("refuses"):
        found.add(PREVALENCE)
    if found.issuperset(GROUPING):
        found.add(GROUPS)
    return frozenset(found)
