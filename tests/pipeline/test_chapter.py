"""The Chapter object: what it reads, keeps and writes."""

import json

import numpy as np
import pandas as pd
import pytest

from mammolab.errors import InputError, MissingInput
from mammolab.pipeline import graph, open_chapter
from mammolab.pipeline.notebook import declared_parameters
from mammolab.pipeline.redraw import decode_data, encode_data, redraw
from mammolab.report.plots_cohort import contact_sheet

from .conftest import write_notebook


def draw_line(ax, data, label="line"):
    """A plot at module level."""
    ax.plot(data["x"], data["y"], label=label)
    return ax


@pytest.fixture
def chapter(toy):
    """The second toy chapter, opened, its input in place."""
    (toy.build / "raw").mkdir(parents=True)
    (toy.build / "raw" / "a.txt").write_text("3")
    namespace = {"run_dir": "build/demo", "seed": 7, "share": 0.5, "careful": True, "mistake": ""}
    return open_chapter("02_second", namespace | {"unrelated": 1})


def test_missing_input_names_the_command(toy):
    namespace = {"run_dir": "build/demo", "seed": 7, "share": 0.5, "careful": True, "mistake": ""}
    with pytest.raises(MissingInput, match=r"needs raw/a.txt .* run `./run_all.sh 01_first` first"):
        open_chapter("02_second", namespace)
    (toy.root / "configs" / "smoke.yaml").write_text("name: smoke\n")
    with pytest.raises(MissingInput, match=r"`./run_all.sh 01_first --profile smoke`"):
        open_chapter("02_second", namespace | {"run_dir": "build/smoke"})
    with pytest.raises(MissingInput, match=r"`./run_all.sh 01_first --run trial`"):
        open_chapter("02_second", namespace | {"run_dir": "build/trial"})


def test_numbers_carry_their_provenance(chapter, toy):
    chapter.number("second.share", np.float64(0.25), ci=(0.1, np.nan), unit="per 1000", n=4)
    chapter.number("second.none", float("nan"))
    with pytest.raises(ValueError, match="twice"):
        chapter.number("second.share", 1)
    with pytest.raises(ValueError, match="must look like"):
        chapter.number("Share", 1)
    chapter.close()
    written = json.loads((toy.build / "numbers" / "02_second.json").read_text())
    share = written["second.share"]
    assert (share["value"], share["ci_low"], share["ci_high"]) == (0.25, 0.1, None)
    assert (share["unit"], share["n"], share["chapter"]) == ("per 1000", 4, "02_second")
    assert share["code_digest"] == chapter.code_digest
    assert written["second.none"]["value"] is None
    assert set(chapter.inputs) == {"raw/a.txt"}


def test_a_number_of_an_earlier_chapter_is_read(toy, chapter):
    (toy.build / "b.txt").write_text("3")
    (toy.build / "numbers").mkdir()
    left = {"third.rows": {"value": 256}, "third.name": {"value": "oak"}}
    (toy.build / "numbers" / "03_third.json").write_text(json.dumps(left))
    last = open_chapter("20_manuscript", {"run_dir": "build/demo", "seed": 7})
    assert last.read_number("third.rows") == 256
    assert last.read_number("third.name") == "oak"
    with pytest.raises(ValueError, match="'third.none', which is in none .* numbers/03_third.json"):
        last.read_number("third.none")
    with pytest.raises(ValueError, match="none of its inputs: no numbers"):
        chapter.read_number("third.rows")


def test_a_file_that_a_parameter_names_is_an_input(toy):
    (toy.build / "raw").mkdir(parents=True)
    (toy.build / "raw" / "a.txt").write_text("3")
    given = toy.root / "study.csv"
    namespace = {"run_dir": "build/demo", "seed": 7, "names": ["a"], "study": str(given)}
    with pytest.raises(MissingInput, match="03_third.study must name a file"):
        open_chapter("03_third", namespace)
    digests = []
    for text in ("one", "two"):
        given.write_text(text)
        third = open_chapter("03_third", namespace)
        third.number("third.rows", 1)
        third.close()
        left = json.loads((toy.build / "numbers" / "03_third.json").read_text())["third.rows"]
        digests.append((third.inputs["study"], left["inputs_digest"], left["parameters_digest"]))
    assert digests[0][:2] != digests[1][:2]
    assert digests[0][2] == digests[1][2]  # wherever the file lies
    without = open_chapter("03_third", namespace | {"study": ""})
    assert set(without.inputs) == {"raw/a.txt"}
    assert open_chapter("03_third", namespace | {"study": "study.csv"}).inputs == third.inputs


def test_random_streams_go_by_purpose(chapter):
    first = chapter.rng("bootstrap").random(3)
    chapter.rng("other").random(1000)
    assert np.array_equal(first, chapter.rng("bootstrap").random(3))
    assert not np.array_equal(first, chapter.rng("other").random(3))


def test_results_table(chapter, toy):
    row = {"metric": "auc", "model": "m", "subgroup": "all", "horizon_years": 1.0}
    row |= {"estimate": 0.7, "ci_low": 0.6, "ci_high": 0.8, "method": "bootstrap"}
    row |= {"n_exams": 10, "n_patients": 9, "n_events": 2}
    chapter.results(pd.DataFrame([row]))
    chapter.results(pd.DataFrame([row | {"metric": "ece"}]))
    chapter.close()
    table = pd.read_parquet(toy.build / "tables" / "results_02_second.parquet")
    assert list(table["metric"]) == ["auc", "ece"]
    assert set(table["chapter"]) == {"02_second"}


def test_undeclared_tables_are_refused(chapter):
    with pytest.raises(ValueError, match="does not list among its inputs"):
        chapter.read("cohort")
    with pytest.raises(ValueError, match="does not list among its outputs"):
        chapter.write("cohort", pd.DataFrame())


def test_figure_redraws_from_its_sidecar_to_the_same_bytes(chapter, toy):
    data = pd.DataFrame({"x": [0.1, 0.2, 1 / 3], "y": [1, 2, 4]})
    figure = chapter.figure("curve", draw_line, data, label="a")
    assert len(figure.axes) == 1
    panels = [(draw_line, data, {}), (draw_line, data, {"label": "b"}), (draw_line, data, {})]
    assert len(chapter.figure("grid", panels, columns=2, size=(6, 4)).axes) == 3
    (toy.build / "figures" / "02_second_old.svg").write_text("<svg/>")
    chapter.close()
    folder = toy.build / "figures"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(first) == [
        "02_second_curve.json",
        "02_second_curve.svg",
        "02_second_grid.json",
        "02_second_grid.svg",
    ]
    sidecar = json.loads(first["02_second_curve.json"])
    assert sidecar["panels"][0]["options"] == {"label": "a"}
    assert "run_dir" not in sidecar["parameters"]
    assert len(sidecar["inputs"]["raw/a.txt"]) == 64
    assert [path.name for path in redraw(folder)] == ["02_second_curve.svg", "02_second_grid.svg"]
    assert first == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_plot_must_be_findable(chapter):
    with pytest.raises(TypeError, match="module-level"):
        chapter.figure("curve", lambda ax, data: ax, pd.DataFrame())


def test_data_survive_the_sidecar():
    frame = pd.DataFrame(
        {
            "number": [1 / 3, np.nan, np.inf],
            "count": pd.array([1, None, 3], dtype="Int64"),
            "flag": [True, False, True],
            "text": ["a", None, "c"],
            "day": pd.to_datetime(["2011-01-02", None, "2012-03-04"]),
            "band": pd.Categorical(["b", "a", "b"], ["a", "b", "c"], ordered=True),
            "pixels": [np.arange(3, dtype=np.uint8), [1, 2], []],
        },
        index=[5, 6, 7],
    )
    again = decode_data(json.loads(json.dumps(encode_data(frame), allow_nan=False)))
    expected = frame.reset_index(drop=True).assign(pixels=[[0, 1, 2], [1, 2], []])
    pd.testing.assert_frame_equal(again, expected)


def test_parameters_cell(tmp_path):
    path = tmp_path / "n.ipynb"
    write_notebook(path, "a = -1.5  # x\nb = [1, 2]  # y\nc = True  # z", [])
    expected = {"run_dir": "build/demo", "seed": 2019, "a": -1.5, "b": [1, 2], "c": True}
    assert declared_parameters(path) == expected
    write_notebook(path, "a = len('x')", [])
    with pytest.raises(InputError, match="not `a = len"):
        declared_parameters(path)


def test_graph_is_whole():
    """Each input has a maker that comes before its reader; no artefact has two makers."""
    made = set()
    for chapter, stage in graph.STAGES.items():
        assert set(stage.inputs) <= made, chapter
        outputs = graph.outputs_of(chapter)
        assert not made & set(outputs)
        made |= set(outputs)
    assert "01_world" not in graph.chapters_of_run(own_raw=True)
    own = graph.chapters_of_run(own_raw=True)
    assert "numbers/01_world.json" not in graph.inputs_of("20_manuscript", own)
    assert "raw/export.json" in graph.inputs_of("20_manuscript", own)
    of_detection = graph.inputs_of("04_detection", own)
    assert "images.npy" in of_detection
    assert not any(name.startswith(("truth/", "numbers/")) for name in of_detection)
    truth = [name for chapter in own for name in graph.inputs_of(chapter, own) if "truth" in name]
    assert truth == []


def test_a_figure_of_images_that_are_not_at_hand_is_left_as_it_is(chapter, toy, capsys):
    store = toy.build / "images.npy"
    np.save(store, np.zeros((1, 64, 52), np.uint8))
    data = pd.DataFrame({"row": [0], "label": ["one"]})
    chapter.figure("sheet", contact_sheet, data, store_path="build/demo/images.npy")
    drawn = chapter.paths.figures / "02_second_sheet.svg"
    before = drawn.read_bytes()
    store.unlink()
    assert redraw(chapter.paths.figures) == []
    assert drawn.read_bytes() == before
    assert "left as it is" in capsys.readouterr().out


def test_a_chapter_gets_the_cores_that_its_stage_or_its_profile_asks_for():
    assert graph.threads_of("05_training_choices", {}) == 1  # so that others run beside it
    assert graph.threads_of("05_training_choices", {"threads": 16}) == 16
    assert graph.threads_of("03_images", {}) == graph.MANY
