"""What the paper must know of the exports behind a run: what they lack, and what a label means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mammolab.data.lacks import OPINIONS, lacks_of
from mammolab.pipeline import graph


@dataclass(frozen=True)
class Exports:
    """The exports of a run; the defaults are those of a hospital or of the synthetic programme.

    Parameters
    ----------
    lacks : frozenset of str
        Keys of `data.lacks.SENTENCES`.
    left_out : mapping of str to str
        Chapters that could not run on them, each with the sentence that says why.
    title : str
        Of a public data set; "" for others.
    label_meaning : str
        What its positive label means, in whole sentences.
    given : bool
        Whether its labels come with it, and do not follow from dated diagnoses.
    opinion : bool
        Whether each label is somebody's reading of the image.
    cannot : tuple of str
        What cannot be estimated from it, a sentence each.
    """

    lacks: frozenset[str] = frozenset()
    left_out: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    label_meaning: str = ""
    given: bool = False
    opinion: bool = False
    cannot: tuple[str, ...] = ()

    @classmethod
    def read(cls, raw: Path) -> Exports:
        """Read export.json of a folder of raw exports.

        Raises
        ------
        InputError
            When it names a lack that nobody knows.
        """
        content = json.loads((raw / "export.json").read_text(encoding="utf-8"))
        if "dataset" not in content:
            return cls()
        lacks = lacks_of(raw)
        kinds = content["label_kinds"]
        return cls(
            lacks=lacks,
            left_out=graph.left_out(lacks),
            title=content["source"],
            label_meaning=content["label_meaning"],
            given=content["labels"] == "given",
            opinion=bool(kinds) and set(kinds) <= set(OPINIONS),
            cannot=tuple(content["cannot_estimate"]),
        )

    def limits(self) -> list[dict]:
        """What cannot be shown, for the paper.

        Returns
        -------
        list of dict
            sentence, and questions: what the chapters ask that are left out for it. First those
            that cost a chapter, then the others.
        """
        questions: dict[str, list[str]] = {}
        for chapter, sentence in self.left_out.items():
            questions.setdefault(sentence, []).append(graph.STAGES[chapter].question)
        for sentence in self.cannot:
            questions.setdefault(sentence, [])
        return [{"sentence": one, "questions": asked} for one, asked in questions.items()]


HOSPITAL = Exports()  # or the synthetic programme: whatever a chapter needs is told
