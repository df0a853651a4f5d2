"""A toy repository: a few chapters that take a second each, in a temporary folder."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from mammolab.pipeline import graph

REPOSITORY = Path(__file__).resolve().parents[2]
PARAMETERS = 'run_dir = "build/demo"  # folder of the run\nseed = 2019  # seed\n'
WAIT = """\
(root / 'pid').write_text(str(os.getpid()))
while not (root / 'go').exists():
    time.sleep(0.05)"""
GO_WRONG = """\
from mammolab.errors import InputError
if mistake == 'input':
    raise InputError('the column size_mm is missing')
if mistake:
    raise ValueError(mistake)"""
STAGES = {
    "01_first": {"question": "one?", "outputs": ["raw/a.txt"]},
    "02_second": {"question": "two?", "inputs": ["raw/a.txt"], "outputs": ["b.txt"]},
    "03_third": {"question": "three?", "inputs": ["raw/a.txt"], "file_parameters": ["study"]},
    "20_manuscript": {
        "question": "last?",
        "inputs": ["b.txt", "numbers/03_third.json"],
        "outputs": ["paper.pdf"],
    },
}


def write_notebook(path: Path, parameters: str, cells: list[str]) -> None:
    """Write a notebook with a heading, a parameters cell and code cells."""

    def code(number, source, tags):
        return {
            "cell_type": "code",
            "id": f"cell{number}",
            "metadata": {"tags": tags} if tags else {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }

    heading = {"cell_type": "markdown", "id": "heading", "metadata": {}, "source": "# A question"}
    notebook = {
        "cells": [
            heading,
            code(0, PARAMETERS + parameters, ["parameters"]),
            *(code(number, source, []) for number, source in enumerate(cells, start=1)),
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(notebook))


@dataclass(frozen=True)
class Toy:
    """A repository of toy chapters."""

    root: Path

    @property
    def build(self) -> Path:
        return self.root / "build" / "demo"

    def notebook(self, chapter: str) -> Path:
        return self.root / "notebooks" / f"{chapter}.ipynb"

    def events(self, kind: str) -> list[str]:
        """Chapters with an event of a kind in the last run."""
        lines = (self.build / "logs" / "events.jsonl").read_text().splitlines()
        return sorted({e["chapter"] for e in map(json.loads, lines) if e["event"] == kind})


def write_toy(root: Path) -> Toy:
    """Write a toy repository.

    Its chapters do without `open_chapter`, whose imports would take most of the time. The second
    writes its process number and waits until the file `go` exists.
    """
    for folder in ("notebooks", "configs", "workflow", "paper", "figures"):
        (root / folder).mkdir(parents=True)
    (root / "figures" / "03_third_old.svg").write_text("<svg/>")
    shutil.copy(REPOSITORY / "workflow" / "Snakefile", root / "workflow")
    (root / "workflow" / "stages.yaml").write_text(yaml.safe_dump(STAGES, sort_keys=False))
    (root / "configs" / "demo.yaml").write_text("name: demo\nseed: 7\n")
    toy = Toy(root)
    start = "import json, os, pathlib, time\nroot = pathlib.Path(run_dir)\n"
    start += "(root / 'numbers').mkdir(exist_ok=True)"

    def done(chapter):
        return f"(root / 'numbers/{chapter}.json').write_text(json.dumps({{'seed': seed}}))"

    write_notebook(
        toy.notebook("01_first"),
        "n = 3  # a count",
        [
            start,
            "print('[progress] halfway')\nprint('kept')",
            "(root / 'raw').mkdir(exist_ok=True)\n(root / 'raw/a.txt').write_text(str(n))",
        ]
        + [done("01_first")],
    )
    write_notebook(
        toy.notebook("02_second"),
        "share = 0.5  # a share\ncareful = True  # a switch\nmistake = ''  # what goes wrong",
        [
            start,
            WAIT,
            GO_WRONG,
            "(root / 'b.txt').write_text(str(share))",
            done("02_second"),
        ],
    )
    names = "names = ['a', 'b']  # some names\nstudy = ''  # a file of the user's"
    write_notebook(toy.notebook("03_third"), names, [start, done("03_third")])
    write_notebook(
        toy.notebook("20_manuscript"),
        "",
        [
            start,
            "(root / 'figures').mkdir(exist_ok=True)\n(root / 'figures/01_first_a.svg').write_text('<svg/>')",
            "(root / 'paper.pdf').write_text('paper')",
            done("20_manuscript"),
        ],
    )
    return toy


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Toy:
    """A toy repository that this process sees as the repository."""
    toy = write_toy(tmp_path / "toy")
    monkeypatch.setenv("MAMMOLAB_ROOT", str(toy.root))
    monkeypatch.setattr(graph, "STAGES", graph.read_stages(toy.root / "workflow" / "stages.yaml"))
    return toy
