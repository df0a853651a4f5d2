"""A tiny source, and writers of published layouts."""

from pathlib import Path

import pytest

from mammolab.data.adapters.base import Card, Source, table


@pytest.fixture
def card():
    """Of a data set that is none."""
    return Card(
        name="none", title="A set that is none", label="Cancer by formula.", labels="given",
        prevalence="case-control", lacks=("dates", "race"), cannot=("Nothing at all.",),
        mapped=(("exam_id", "a|b"),), traps=("None.",), licence="none", citation="nobody",
    )  # fmt: skip


@pytest.fixture
def source(card, tmp_path):
    """Two exams, three labelled breasts, three images of which one is left out."""
    return Source(
        card=card,
        images_root=tmp_path,
        patients=table("patients", {"patient_id": ["P1", "P2"]}),
        exams=table("exams", {"exam_id": ["E1", "E2"], "patient_id": ["P1", "P2"]}),
        labels=table("labels", {
            "exam_id": ["E1", "E1", "E2"], "laterality": ["L", "R", "L"],
            "cancer": ["1", "0", ""], "invasive": ["", "0", ""],
            "kind": ["pathology", "pathology", ""], "split": "train",
        }),
        images=table("images", {
            "image_id": ["I1", "I2", "I3"], "exam_id": ["E1", "E1", "E2"],
            "patient_id": ["P1", "P1", "P2"], "path": ["a.dcm", "b.dcm", "c/d.dcm"],
            "laterality": ["L", "R", "L"], "view": ["CC", "MLO", ""],
            "use": ["1", "1", "0"], "reason": ["", "", "view AT"], "view_raw": ["CC", "MLO", "AT"],
        }),
    )  # fmt: skip


@pytest.fixture
def lines(tmp_path):
    """A function (relative path, *lines) that writes a text file below `tmp_path / "set"`."""

    def write(relative: str, *rows: str, encoding="utf-8") -> Path:
        path = tmp_path / "set" / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(rows) + "\n", encoding=encoding)
        return path

    return write


@pytest.fixture
def touch(tmp_path):
    """A function (*relative paths) that makes empty files below `tmp_path / "set"`."""

    def write(*relative: str) -> None:
        for one in relative:
            path = tmp_path / "set" / one
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    return write
