"""Whole runs of toy chapters: killed, resumed, changed, failing. One story, told in order."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from .conftest import write_toy

PATIENCE_S = 180
# Tests run in the background of a shell have inherited that interrupts are ignored.
COMMAND_LINE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from mammolab.cli import main; main()"
)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A toy repository shared by the tests of this file, which run in order."""
    return write_toy(tmp_path_factory.mktemp("story") / "toy")


def start(toy, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND_LINE, "run", "--cores", "2", *arguments],
        env=os.environ | {"MAMMOLAB_ROOT": str(toy.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(toy, *arguments: str) -> tuple[int, str, str]:
    process = start(toy, *arguments)
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def wait_for(condition) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.05)


def kernel_is_up(toy) -> bool:
    return (toy.build / "pid").exists() and (toy.build / "pid").read_text() != ""


def edit(toy, chapter: str, change) -> None:
    path = toy.notebook(chapter)
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def would_run(toy, *arguments: str) -> list[str]:
    code, out, err = run(toy, "--dry-run", *arguments)
    assert code == 0, err
    lines = out.splitlines()
    return lines if "nothing to do" in out else [line.split()[0] for line in lines]


def test_killed_run_leaves_no_process(story):
    process = start(story)
    wait_for(lambda: kernel_is_up(story))
    below = psutil.Process(process.pid).children(recursive=True)
    kernel = int((story.build / "pid").read_text())
    assert kernel in {child.pid for child in below}
    process.send_signal(signal.SIGKILL)
    process.communicate()
    _, alive = psutil.wait_procs(below, timeout=15)
    assert not alive


def test_resumed_run_does_only_the_rest(story):
    (story.build / "go").touch()
    code, out, err = run(story)
    assert code == 0, err
    assert "01_first" not in story.events("start")
    assert {"02_second", "20_manuscript"} <= set(story.events("done"))
    assert "paper.pdf" in out and "up to date" in out
    figures = [path.name for path in (story.root / "figures").iterdir()]
    assert figures == ["01_first_a.svg"]  # the demo refreshes what is committed
    assert (story.root / "paper" / "paper.pdf").read_text() == "paper"


def test_what_a_run_leaves_behind(story):
    first = story.build / "notebooks" / "01_first.ipynb"
    executed = nbformat.read(first, as_version=4)
    printed = "".join(
        o["text"] for c in executed.cells for o in c.get("outputs", []) if "text" in o
    )
    assert printed == "kept\n"  # the [progress] line went to the display
    page = first.with_suffix(".html").read_text()
    assert "kept" in page and 'src="http' not in page and "cdnjs" not in page
    source = nbformat.read(story.notebook("01_first"), as_version=4)
    assert all(not cell.get("outputs") for cell in source.cells)
    timing = json.loads((story.build / "timing" / "01_first.json").read_text())
    assert timing["wall_s"] > 0 and timing["peak_rss_gb"] > 0.01 and timing["cores"] == 1
    known = json.loads((story.build / "provenance.json").read_text())
    chapter = known["chapters"]["01_first"]
    assert chapter["parameters"] == {"run_dir": "build/demo", "seed": 7, "n": 3}
    assert len(chapter["code_digest"]) == 16
    assert "papermill" in known["packages"]
    number = json.loads((story.build / "numbers" / "01_first.json").read_text())
    assert number == {"seed": 7}


def test_nothing_to_do(story):
    code, out, _ = run(story)
    assert code == 0 and "nothing to do" in out
    assert story.events("start") == []


def test_an_output_that_no_chapter_reads_is_missed(story):
    paper = story.build / "paper.pdf"
    paper.rename(story.root / "aside.pdf")
    assert would_run(story) == ["20_manuscript"]
    (story.root / "aside.pdf").rename(paper)
    assert would_run(story) == ["nothing to do: everything is up to date"]


def test_only_what_changed_runs_again(story):
    def save_with_output(notebook):
        notebook.cells[0].source = "# Reworded"
        notebook.cells[2].execution_count = 4
        notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="x")]

    edit(story, "02_second", save_with_output)
    assert would_run(story) == ["nothing to do: everything is up to date"]
    assert would_run(story, "-p", "third.names=z") == ["03_third", "20_manuscript"]
    assert would_run(story, "--force", "03_third") == ["03_third"]

    def edit_code(notebook):
        notebook.cells[2].source += "\nchanged = 1"

    edit(story, "03_third", edit_code)
    assert would_run(story) == ["03_third", "20_manuscript"]


def test_a_file_that_a_parameter_names_is_watched(story):
    given = story.root / "study.csv"
    asked = ["03_third", "--run", "given", "-p", f"third.study={given}"]
    code, _, err = run(story, *asked)
    assert code == 2 and err.count("\n") == 1 and f"there is none at {given}" in err
    given.write_text("a\n1\n")
    code, _, err = run(story, *asked)
    assert code == 0, err
    assert would_run(story, *asked) == ["nothing to do: everything is up to date"]
    given.write_text("a\n2\n")
    assert would_run(story, *asked) == ["03_third"]


def test_own_raw_exports_replace_the_first_chapter(story):
    raw = story.root / "data"
    path = story.root / "configs" / "mine.yaml"
    path.write_text("name: mine\nraw: ../data\n")
    code, _, err = run(story, "--profile", str(path))
    assert code == 2 and err.strip().endswith("data lacks a.txt")
    raw.mkdir()
    (raw / "a.txt").write_text("4")
    rest = ["02_second", "03_third", "20_manuscript"]
    assert would_run(story, "--profile", str(path)) == rest
    code, _, err = run(story, "first", "--profile", str(path))
    assert code == 2 and "01_first makes the raw exports" in err


def test_failing_cell_stops_only_what_needs_it(story):
    code, _, err = run(story, "-p", "second.mistake=no such thing")
    assert code == 1
    # papermill adds a cell with the parameters before the third of the notebook's code cells
    assert "02_second failed in cell 5: ValueError: no such thing" in err
    assert ">   5      raise ValueError(mistake)" in err
    assert "./run_all.sh 02_second" in err and "Traceback" not in err
    assert "Not run, since they need what failed: 20_manuscript" in err
    assert story.events("done") == ["03_third"]  # edited before, and independent
    partial = nbformat.read(story.build / "notebooks" / "02_second.ipynb", as_version=4)
    assert any(o.output_type == "error" for c in partial.cells for o in c.get("outputs", []))


def test_input_error_is_one_sentence(story):
    code, _, err = run(story, "second", "-p", "second.mistake=input")
    assert code == 2
    assert err.strip() == "error: the column size_mm is missing"


def test_two_at_once_are_refused_and_interrupt_is_clean(story):
    (story.build / "go").unlink()
    (story.build / "pid").unlink()
    process = start(story, "second", "--force")
    wait_for(lambda: kernel_is_up(story))
    code, _, err = run(story)
    assert code == 2 and "another mammolab is at work" in err
    below = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130 and "Traceback" not in err
    _, alive = psutil.wait_procs(below, timeout=15)
    assert not alive
