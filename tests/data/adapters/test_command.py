"""`mammolab adapt` from the command line, and its folder read by `mammolab ingest`."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mammolab.cli import app
from mammolab.data.adapters.command import adapt_to, listing
from mammolab.data.adapters.registry import ADAPTERS
from mammolab.errors import InputError

HEADER = (
    "site_id,patient_id,image_id,laterality,view,age,cancer,biopsy,invasive,BIRADS,implant,density,"
    "machine_id,difficult_negative_case"
)


@pytest.fixture
def root(lines, write_mammogram, tmp_path):
    """One woman of RSNA with images that can be converted, and whose headers are stripped."""
    rows = []
    for number, (side, view) in enumerate([("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO")]):
        cancer = int(side == "L")
        rows.append(f"2,7,7{number},{side},{view},61.0,{cancer},{cancer},0,,0,,48,False")
        pixels = np.full((64, 48), 100 + number, dtype=np.uint16)
        pixels[10:50, :30] = 2000 + 20 * np.arange(30)
        write_mammogram(
            tmp_path / "set" / "train_images" / "7" / f"7{number}.dcm", pixels,
            PatientID="7", AccessionNumber=None, ImageLaterality=None, ViewPosition=None,
            ImagerPixelSpacing=None, Manufacturer=None, SOPInstanceUID=f"1.2.{number}",
        )  # fmt: skip
    lines("train.csv", HEADER, *rows)
    return tmp_path / "set"


@pytest.fixture
def run():
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_from_the_published_layout_to_images(root, run, tmp_path):
    out = tmp_path / "rsna"
    told = run("adapt", "auto", root, "--out", out)
    assert told.exit_code == 0, told.output
    assert "breasts: 1 cancer, 1 none, 0 unlabelled; images: 4 of 4" in told.output
    assert "Refused without sampling weights" in told.output and "DATASHEET.md" in told.output
    assert json.loads((out / "export.json").read_text())["dataset"] == "rsna"
    images = tmp_path / "images"
    told = run("ingest", root, "--out", images, "--table", out / "images.csv", "--rows", 32,
               "--columns", 26, "--workers", 1)  # fmt: skip
    assert told.exit_code == 0, told.output
    used = pd.read_csv(images / "images.csv", dtype=str)
    assert set(used["exam_id"]) == {"rsna_7"} and len(used) == 4
    assert set(zip(used["laterality"], used["view"], strict=True)) == {
        ("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"),
    }  # fmt: skip


def test_a_second_run_replaces_the_first_and_nothing_else(root, tmp_path):
    out = tmp_path / "rsna"
    adapt_to("rsna", root, out, [], lambda line: None)
    adapt_to("rsna", root, out, [], lambda line: None)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else, such as notes.txt"):
        adapt_to("rsna", root, out, [], lambda line: None)
    with pytest.raises(InputError, match="holds something else"):
        adapt_to("rsna", root, root, [], lambda line: None)
    assert (root / "train.csv").is_file()


def test_the_list_names_every_data_set_and_option(run):
    told = run("adapt", "--list")
    assert told.exit_code == 0 and told.output.strip() == "\n".join(listing())
    for name, adapter in ADAPTERS.items():
        assert f"\n{name} " in f"\n{told.output}" and adapter.card.title in told.output
        assert all(f"-p {option}=" in told.output for option in adapter.options)


@pytest.mark.parametrize(
    "given, message",
    [
        (["positive_from"], "not of the form name=value"),
        (["a=1", "a=2"], "-p a is given twice"),
        (["age=5"], "no option of rsna 'age'"),
    ],
)
def test_odd_options(root, tmp_path, given, message):
    with pytest.raises(InputError, match=message):
        adapt_to("rsna", root, tmp_path / "out", given, lambda line: None)
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_one_sentence(run, tmp_path):
    told = run("adapt", "rsna")
    assert isinstance(told.exception, InputError) and "adapt --list" in str(told.exception)
    with pytest.raises(InputError, match="is of no known layout; name the data set, one of rsna"):
        adapt_to("auto", tmp_path, tmp_path / "out", [], lambda line: None)


def test_every_card_is_whole():
    for name, adapter in ADAPTERS.items():
        card = adapter.card
        assert card.name == name and card.mapped and card.traps and "http" in card.citation
        # of these one is a population's with dates; two more tell what became of women
        assert (card.prevalence == "natural") == (name == "embed")
        assert ("dates" in card.lacks) == (name != "embed")
        assert ("follow_up" in card.lacks) == (name not in ("embed", "csaw", "mirai"))
