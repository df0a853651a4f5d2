"""What is committed fits together: notebooks, profiles, lock, environment, import floors."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mammolab.paths import notebook_path
from mammolab.pipeline import graph
from mammolab.pipeline.notebook import code_cells, declared_parameters
from mammolab.pipeline.profile import load_profile

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TEXT = {"capture_output": True, "text": True}
PINS = [
    line
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize("chapter", graph.STAGES)
def test_notebook_is_clean(chapter):
    """Committed without outputs, defines nothing, and explains each of its parameters."""
    notebook = json.loads(notebook_path(chapter).read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    cells = code_cells(notebook_path(chapter))
    for source in cells:
        plain = re.sub(r"(?m)^\s*[%!].*$", "", source)
        for node in ast.walk(ast.parse(plain)):
            assert not isinstance(node, (ast.FunctionDef, ast.ClassDef)), source
    declared = declared_parameters(notebook_path(chapter))
    assert declared["run_dir"] == "build/demo" and declared["seed"] == 2019
    for line in cells[0].splitlines():
        assert re.match(r"#|$|\w+ = .+  # .+|[\s\]].*", line), f"no comment: {line}"
    assert f'open_chapter("{chapter}", globals())' in cells[1]
    assert "chapter.close()" in cells[-1]


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_profile_fits_the_notebooks(path):
    assert load_profile(str(path)).name == path.stem


def test_lock_pins_every_requirement():
    pinned = {re.match(r"[\w.-]+", pin).group().lower() for pin in PINS}
    extras = PROJECT["optional-dependencies"]
    for requirement in [*PROJECT["dependencies"], *(r for extra in extras.values() for r in extra)]:
        assert re.match(r"[\w.-]+", requirement).group().lower() in pinned
    assert "torch==2.13.0" in PINS  # no local part: the CPU build and the CUDA build both fit


def test_lock_names_no_host_and_no_cuda_package():
    for pin in PINS:
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; .+)?", pin), pin
        assert "://" not in pin and not pin.startswith(("nvidia-", "cuda-", "triton"))


def test_environment_agrees_with_the_lock():
    spec = importlib.util.spec_from_file_location("lock", ROOT / "scripts" / "lock.py")
    lock = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lock)
    assert (ROOT / "environment.yml").read_text() == lock.environment()


def test_imports_run_down_the_floors():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, check=False, **TEXT)
    assert done.returncode == 0, done.stdout


def test_help_needs_no_set_up():
    done = subprocess.run([ROOT / "run_all.sh", "--help"], check=False, **TEXT)
    assert done.returncode == 0 and "--profile smoke" in done.stdout


def test_old_python_is_refused_in_one_sentence(tmp_path):
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    copy = tmp_path / "run_all.sh"
    copy.write_text((ROOT / "run_all.sh").read_text())
    for name in ("pyproject.toml", "requirements.lock"):
        (tmp_path / name).write_text("")
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": str(old)}
    done = subprocess.run(["bash", copy], env=environment, check=False, **TEXT)
    assert done.returncode != 0
    assert done.stderr.startswith("set-up: Python 3.11 or newer is needed")
    assert done.stderr.count("\n") == 1
