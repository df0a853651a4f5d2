"""Digests: which edits count as a change of a chapter's code."""

import json

import pytest

from mammolab.paths import RunPaths
from mammolab.pipeline import provenance
from mammolab.pipeline.graph import Stage

from .conftest import write_notebook


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of a few modules that stands in for this one."""
    modules = {
        "__init__.py": "",
        "alone.py": "x = 1",
        "used.py": "def f():\n    from .deep import base",
        "deep/__init__.py": "",
        "deep/base.py": "from . import helper\nimport numpy",
        "deep/helper.py": "from mammolab import used",
    }
    for name, source in modules.items():
        path = tmp_path / "package" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(source)
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "package")
    provenance.direct_imports.cache_clear()
    yield tmp_path / "package"
    provenance.direct_imports.cache_clear()


def test_imports_are_followed(package):
    assert provenance.modules_of(["import mammolab.used as u\n%matplotlib inline"]) == [
        "mammolab",
        "mammolab.deep",
        "mammolab.deep.base",
        "mammolab.deep.helper",
        "mammolab.used",
    ]
    assert provenance.modules_of(["from mammolab import alone, missing"]) == [
        "mammolab",
        "mammolab.alone",
    ]
    assert provenance.modules_of(["import numpy"]) == []


def test_only_importing_chapters_change(package, tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("MAMMOLAB_ROOT", str(tmp_path))
    write_notebook(tmp_path / "notebooks" / "a.ipynb", "", ["from mammolab import used"])
    write_notebook(tmp_path / "notebooks" / "b.ipynb", "", ["import mammolab.alone"])
    (tmp_path / "c.csv").write_text("1")
    stages = {"a": Stage("?", (), ()), "b": Stage("?", (), (), sources=("c.csv",))}
    monkeypatch.setattr(provenance.graph, "STAGES", stages)
    before = [provenance.code_digest(name) for name in "ab"]
    (package / "deep" / "helper.py").write_text("from mammolab import used\ny = 2")
    provenance.direct_imports.cache_clear()
    after = [provenance.code_digest(name) for name in "ab"]
    assert before[0] != after[0] and before[1] == after[1]
    (tmp_path / "c.csv").write_text("2")
    last = [provenance.code_digest(name) for name in "ab"]
    assert last[0] == after[0] and last[1] != after[1]


def test_a_folder_of_images_is_watched(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.dcm").write_bytes(b"1")
    before = provenance.folder_digest(tmp_path)
    assert provenance.folder_digest(tmp_path) == before
    (tmp_path / "p" / "b.dcm").write_bytes(b"2")
    added = provenance.folder_digest(tmp_path)
    (tmp_path / "p" / "a.dcm").unlink()
    assert len({before, added, provenance.folder_digest(tmp_path)}) == 3


def test_images_are_watched_where_the_export_says_they_lie(tmp_path):
    raw, there = tmp_path / "raw", tmp_path / "there"
    (raw / "dicom").mkdir(parents=True)
    there.mkdir()
    (there / "a.png").write_bytes(b"1")
    seen = [provenance.images_digest(raw)]
    (raw / "dicom" / "a.dcm").write_bytes(b"1")
    seen.append(provenance.images_digest(raw))
    (raw / "export.json").write_text(json.dumps({"images_root": str(there)}))
    seen.append(provenance.images_digest(raw))
    (raw / "dicom" / "a.dcm").unlink()  # no longer looked at
    assert provenance.images_digest(raw) == seen[-1]
    (there / "b.png").write_bytes(b"1")
    seen.append(provenance.images_digest(raw))
    (raw / "images.csv").write_text("path\nb.png\n")
    seen.append(provenance.images_digest(raw))
    (raw / "images.csv").write_text("path\nB.png\n")
    seen.append(provenance.images_digest(raw))
    assert len(set(seen)) == len(seen)


def test_real_chapters_depend_on_the_chapter_object_not_on_the_graph():
    modules = provenance.modules_of(["from mammolab.pipeline import open_chapter"])
    assert "mammolab.pipeline.chapter" in modules and "mammolab.schemas" in modules
    assert not {"mammolab.pipeline.graph", "mammolab.pipeline.runner", "mammolab.cli"} & set(
        modules
    )


def test_chapters_that_run_side_by_side_count_once(tmp_path):
    paths = RunPaths(tmp_path)
    paths.timing.mkdir(parents=True)
    for chapter, start, wall_s in (
        ("02_cohort", 0.0, 10.0),
        ("05_training_choices", 10.0, 100.0),
        ("09_risk", 20.0, 30.0),  # within 05
        ("11_pitfalls_data", 100.0, 30.0),  # 20 s beyond it
        ("13_pitfalls_analysis", 500.0, 5.0),  # another day
    ):
        record = {"start": start, "wall_s": wall_s, "peak_rss_gb": 1.0, "cores": 1}
        (paths.timing / f"{chapter}.json").write_text(json.dumps(record))
    assert provenance.run_timing(paths)["wall_s"] == 10 + 100 + 20 + 5
