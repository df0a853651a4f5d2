"""`mammolab adapt`: a data set as published, to the folder that chapters and ingest read."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from mammolab.data.adapters.base import Source
from mammolab.data.adapters.datasheet import cannot_estimate
from mammolab.data.adapters.folder import DATASHEET, require_ours, write_source
from mammolab.data.adapters.registry import ADAPTERS, adapt, detect
from mammolab.errors import InputError

AUTO = "auto"


def adapt_to(
    name: str, root: Path, out: Path, given: Sequence[str], tell: Callable[[str], None]
) -> Source:
    """Read a data set and write it in our tables.

    Parameters
    ----------
    name : of the data set; "auto" tells it by the files in `root`.
    root, out : see `registry.adapt` and `folder.write_source`.
    given : options, each "name=value".
    tell : takes a line of progress.

    Raises
    ------
    InputError
    """
    options = _options(given)
    require_ours(out)  # before minutes of reading
    if name == AUTO:
        name = _only(root)
    tell(f"reading {name} from {root}")
    source = adapt(name, root, options)
    write_source(source, out)
    for line in _summary(source, out):
        tell(line)
    return source


def listing() -> list[str]:
    """What `mammolab adapt --list` prints: names, titles, files and options."""
    lines = []
    for name, adapter in ADAPTERS.items():
        lines += [f"{name:10s}{adapter.card.title}", f"{'':10s}holds {adapter.files}"]
        lines += [f"{'':10s}-p {option}=...  {text}" for option, text in adapter.options.items()]
    return lines


def _options(given: Sequence[str]) -> dict[str, str]:
    parted = [one.partition("=") for one in given]
    for one, (name, equals, value) in zip(given, parted, strict=True):
        if not (name and equals and value):
            raise InputError(f"-p {one} is not of the form name=value, such as -p positive_from=5.")
    names = [name for name, _, _ in parted]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"-p {twice[0]} is given twice.")
    return {name: value for name, _, value in parted}


def _only(root: Path) -> str:
    found = detect(root)
    if len(found) != 1:
        what = f"looks like {', '.join(found)}" if found else "is of no known layout"
        raise InputError(f"{root} {what}; name the data set, one of {', '.join(ADAPTERS)}.")
    return found[0]


def _summary(source: Source, out: Path) -> list[str]:
    labels, images = source.labels, source.images
    cancer = labels["cancer"].value_counts()
    ingest = ["mammolab", "ingest", str(source.images_root), "--out", "IMAGES",
              "--table", str(out / "images.csv")]  # fmt: skip
    ingest += ["--film"] if (images["intent"] == "film").any() else []
    return [
        *source.notes,
        (
            f"{len(source.patients):,} patients, {len(source.exams):,} exams; breasts: "
            f"{cancer.get('1', 0):,} cancer, {cancer.get('0', 0):,} none, {cancer.get('', 0):,} "
            f"unlabelled; images: {(images['use'] == '1').sum():,} of {len(images):,} to be used"
        ),
        *cannot_estimate(source)[:1],
        f"written: {out}; read {out / DATASHEET} first",
        f"images alone: {shlex.join(ingest)}",
        (
            f"all chapters: ./run_all.sh --profile {source.card.name}, with raw: {out.resolve()} "
            f"in configs/{source.card.name}.yaml"
        ),
    ]
