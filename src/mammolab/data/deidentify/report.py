"""What a run tells of itself, without an identifier; and the pictures a person should look at."""

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image

from mammolab.data.deidentify.pixel_bytes import middle_frame
from mammolab.data.grey import stored_values
from mammolab.data.workers import contained_stream

TILE, ACROSS, MOST_TILES = 320, 6, 48
METHOD = (
    "New ids and UIDs are pseudonyms under a secret key. Dates are moved back by 1 to 364 days, "
    "times by up to six hours, by amounts of each patient's own. Ages above 89 are 90. Attributes "
    "follow DICOM PS3.15 Annex E (basic profile, edition 2026c), with the options of modified "
    "dates and of patient characteristics (age alone); what it does not name is kept only where "
    "reading or describing a mammogram needs it."
)
LIMITS = (
    "Text over the breast, small or faint, and handwriting are not found: look at the images.",
    "A mammogram can be matched with another of the same breast; pixels are not altered.",
    "Rare combinations (age, race, cancers, device) may point to a woman whom someone knows.",
    "Free text, such as a pathology report's, is not de-identified: its columns are left out.",
    "No legal opinion: whether the result is anonymous is for your data protection officer to say.",
)


def report(outcome, n_searched: int) -> str:
    """The text of DEIDENTIFICATION.md.

    Parameters
    ----------
    outcome : of `command.deidentify`.
    n_searched : identifiers long enough to be searched in all bytes.
    """
    written, refused, leaks = (outcome.with_status(one) for one in ("written", "refused", "leak"))
    lines = ["# De-identification", "", *_counts(outcome, written, refused, leaks)]
    lines += _refused(refused)
    lines += _leaks(outcome, leaks, n_searched)
    lines += _suspects(written)
    lines += _tables(outcome)
    lines += _attributes(written)
    lines += ["## What this does not do", "", *(f"- {limit}" for limit in LIMITS), ""]
    return "\n".join(lines)


def _counts(outcome, written, refused, leaks) -> list[str]:
    return [
        "| images | n |",
        "|---|---|",
        f"| files found | {len(outcome.answers)} |",
        f"| written | {len(written)} |",
        f"| refused | {len(refused)} |",
        f"| withdrawn by the leak test | {len(leaks)} |",
        "",
        METHOD,
        "",
    ]


def _refused(refused: dict[str, dict]) -> list[str]:
    # A reason's detail may quote the header, and the header a patient.
    kinds = Counter(one["reason"].split(":")[0] for one in refused.values())
    rows = [f"| {kind} | {number} |" for kind, number in kinds.most_common()]
    return ["## Refused", "", "| reason | files |", "|---|---|", *rows, ""] if rows else []


def _leaks(outcome, leaks: dict[str, dict], n_searched: int) -> list[str]:
    short = len(outcome.everyone.kinds) - n_searched
    lines = ["## Leak test", ""]
    lines.append(
        f"{n_searched} spellings of identifiers were searched in every byte written, {short} short "
        "ones (under 6 bytes) in text values; of fewer than 4 bytes (names 3) none was."
    )
    kinds = Counter(hit for one in leaks.values() for hit in one["reason"].split("; "))
    lines += [f"- withdrawn: {number} files, {hit}" for hit, number in kinds.most_common()]
    lines += [
        f"- withdrawn: {table}, {'; '.join(found)}" for table, found in outcome.withdrawn.items()
    ]
    return [*lines, ""] if outcome.n_leaks else [*lines, "Nothing was found.", ""]


def _suspects(written: dict[str, dict]) -> list[str]:
    flagged = sorted((one["path"], one["suspect"]) for one in written.values() if one["suspect"])
    lines = ["## Likely burned-in text", ""]
    if not flagged:
        return [*lines, "No image was flagged; the search misses some (see below).", ""]
    lines.append(f"{len(flagged)} images, pictures of which lie beside the key (burned_in.png):")
    return [*lines, "", *(f"- {path}: {why}" for path, why in flagged), ""]


def _tables(outcome) -> list[str]:
    tables = outcome.tables
    if not tables.frames:
        return []
    lines = ["## Tables", ""]
    lines += [f"- {path}: {len(frame)} rows" for path, frame in tables.frames.items()]
    lines += [f"- column left out: {column}" for column in tables.dropped]
    if tables.n_late_exams:
        lines.append(
            f"- {tables.n_late_exams} exams left out: after the day through which the registry is "
            "complete"
        )
    return [*lines, ""]


def _attributes(written: dict[str, dict]) -> list[str]:
    removed: Counter = Counter()
    for one in written.values():
        removed.update(one["removed"])
    rows = [f"| {name} | {number} |" for name, number in sorted(removed.items())]
    cut = sum(one.get("cut_bytes", 0) for one in written.values())
    lines = ["## Attributes removed, emptied or replaced", ""]
    if cut:
        lines += [f"{cut} bytes beside the picture (behind it, or comments) were cut.", ""]
    return [*lines, "| attribute | times |", "|---|---|", *rows, ""] if rows else []


def sheet(out: Path, paths: list[str], target: Path, workers: int) -> None:
    """Write a picture of the first flagged images, darkest to brightest value, as they are stored.

    Parameters
    ----------
    out : folder of the output.
    paths : below it, at least one.
    target : the PNG file.
    workers : number of processes.
    """
    shown = paths[:MOST_TILES]
    tiles = list(contained_stream(partial(_tile, out), shown, workers, _black))
    rows = -(-len(tiles) // ACROSS)
    canvas = np.zeros((rows * TILE, ACROSS * TILE), np.uint8)
    for at, tile in enumerate(tiles):
        top, left = at // ACROSS * TILE, at % ACROSS * TILE
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    Image.fromarray(canvas).save(target, format="PNG")


def _black(_: str) -> np.ndarray:
    return np.zeros((TILE, TILE), np.uint8)


def _tile(out: Path, path: str) -> np.ndarray:
    values = stored_values(middle_frame(pydicom.dcmread(out / path))).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    grey = np.uint8(255 * (values - low) / max(high - low, 1))
    picture = Image.fromarray(grey)
    picture.thumbnail((TILE - 4, TILE - 4))
    return np.asarray(picture)
