"""The tables of a hospital, told column by column, and a folder of them held against that."""

import pytest
from typer.testing import CliRunner

from mammolab.cli import app
from mammolab.data.exports import account, listing, valid_values
from mammolab.data.meanings import HEADER_MEANINGS, MEANINGS
from mammolab.data.tables import FILES, HEADER
from mammolab.errors import InputError
from mammolab.schemas import COLUMNS


def test_every_column_has_a_meaning_and_a_line():
    assert set(HEADER_MEANINGS) == set(HEADER)
    text = "\n".join(listing())
    for name, relative in FILES.items():
        assert list(MEANINGS[relative]) == list(COLUMNS[name])
        section = text.split(f"{relative}, ")[1].split("\n\n")[0]
        assert [line.split()[0] for line in section.splitlines() if line[2:3].isalpha()][
            -len(COLUMNS[name]) :
        ] == list(COLUMNS[name])
    assert all(len(line) <= 100 for line in text.splitlines())


def test_what_may_stand_there_is_the_schemas():
    assert valid_values(COLUMNS["patients"]["bmi"], "kg/m2") == "kg/m2 from 8 to 120"
    assert valid_values(COLUMNS["exams"]["exam_date"]) == "YYYY-MM-DD"
    assert valid_values(COLUMNS["exams"]["birads"]) == "0, 1, 2, 3, 4, 5, 6"
    exams = "\n".join(listing()).split("ehr/exams.csv, ")[1].split("\n\n")[0]
    lines = {line.split()[0]: line for line in exams.splitlines()[1:]}
    assert "never blank" in lines["exam_date"] and "never blank" not in lines["density"]


def test_a_folder_is_counted(tiny_rows, write_export):
    raw = write_export(tiny_rows)
    lines = account(raw)
    assert f"{FILES['exams']:24s}{len(tiny_rows['exams']):9,} rows" in lines
    assert any("diagnostic indication" in line for line in lines)
    told = CliRunner().invoke(app, ["tables", "--check", str(raw)])
    assert told.exit_code == 0 and told.output.splitlines() == lines


def test_a_mistake_is_one_sentence(tiny_rows, write_export):
    tiny_rows["exams"][0]["density"] = "E"
    with pytest.raises(InputError, match=r"column density holds 'E' for exam_id E01"):
        account(write_export(tiny_rows))
