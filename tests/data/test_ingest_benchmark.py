"""benchmarks/ingest.py on images that are too small to time, and the table that it wrote."""

import csv
import importlib.util
import sys

import pytest

from mammolab.paths import repository_root

SIZE = (32, 26)


@pytest.fixture
def benchmark(monkeypatch):
    """The program as a module; it puts its folder on the path, which is taken back."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = repository_root() / "benchmarks" / "ingest.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_ingest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cases(benchmark):
    return [
        benchmark.Case("window", "alder", 128, 104, "L", "CC", 0.3),
        benchmark.Case("inverted", "cedar", 128, 104, "R", "MLO", 0.3),
        benchmark.Case("table", "alder", 64, 52, "R", "CC", 0.3, voi_table=True),
    ]


def test_every_syntax_gives_the_same_picture(benchmark, cases, tmp_path):
    benchmark.write_files(tmp_path, cases)
    frames = {}
    for syntax in benchmark.SYNTAXES:
        lines = list(benchmark.speed(tmp_path, cases, syntax, SIZE, 1, frames))
        assert [line["tool"] for line in lines] == benchmark.installed()
        ours = lines[0]
        assert ours["tool"] == benchmark.OURS and ours["same_as_explicit"]
        assert ours["times_as_long"] == 1 and ours["read_ms"] > 0 and ours["decode_ms"] > 0
        for line in lines:
            assert ("ms_per_image" in line) == ("same_as_explicit" in line)
            assert set(line) <= set(benchmark.COLUMNS)
    for line in benchmark.agreement(cases, frames, SIZE):
        if "SimpleITK" not in line["tool"]:  # it samples without averaging
            assert line["mean_difference"] < 3, line
        if line["tool"] == "mammolab ingest":
            assert line["max_difference"] == 0


def test_memory_is_read_for_each_syntax(benchmark, cases, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "FLAT", (2, 4))
    benchmark.write_files(tmp_path, cases[:1])
    found = {
        (line["tool"], line["transfer_syntax"])
        for line in benchmark.peaks(tmp_path, cases[:1], SIZE)
    }
    assert found >= {(benchmark.OURS, syntax) for syntax in benchmark.SYNTAXES}
    assert [line["files"] for line in benchmark.held(tmp_path, SIZE)] == [2, 4]


def test_scaling_stores_every_image(benchmark, cases, tmp_path):
    lines = list(benchmark.scaling(tmp_path, cases[0], SIZE, files=4, repeats=1))
    assert [line["workers"] for line in lines] == [1, 2] * 2


def test_a_tool_that_is_not_installed_is_left_out(benchmark, cases, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["ingest_tools"], "SimpleITK", None)
    monkeypatch.setenv("PATH", "")
    benchmark.write_files(tmp_path, cases[:1])
    lines = list(benchmark.speed(tmp_path, cases[:1], "explicit", SIZE, 1, {}))
    named = [line["tool"] for line in lines]
    assert named == ["mammolab", "mammolab ingest", "pydicom + apply_voi_lut + Pillow"]


def test_committed_table_is_what_the_program_writes(benchmark):
    path = repository_root() / "benchmarks" / "ingest.csv"
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == list(benchmark.COLUMNS)
    ours = [line for line in lines if line["tool"] == "mammolab" and line["task"] == "convert"]
    assert {line["transfer_syntax"] for line in ours} == set(benchmark.SYNTAXES)
    assert all(line["same_as_explicit"] == "True" for line in ours)
    assert {line["task"] for line in lines} == {"convert", "agreement", "memory", "scaling"}
