"""VinDr-Mammo: a surrogate is called one, boxes are clipped, tables are joined by image."""

import pytest

from mammolab.data.adapters import vindr
from mammolab.data.adapters.base import ABSENT
from mammolab.data.adapters.registry import adapt, detect
from mammolab.errors import InputError

HEADER = (
    "study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,"
    "breast_density,split"
)
FINDINGS = HEADER.removesuffix(",split") + (
    ",finding_categories,finding_birads,xmin,ymin,xmax,ymax,split"
)
VIEWS = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))


def study(letter, left, right, split, densities="CCCC"):
    return [
        f"{letter * 32},{(letter + '12'[k % 2]) * 16},{letter}{k:031d},{side},{view},3518,2800,"
        f"BI-RADS {left if side == 'L' else right},DENSITY {densities[k]},{split}"
        for k, (side, view) in enumerate(VIEWS)
    ]


ROWS = [*study("a", 4, 1, "training"), *study("b", 5, 2, "test", "BBCB")]


def finding(row, categories, birads, box):
    return f'{row.rsplit(",", 1)[0]},"{categories}",{birads},{box},{row.rsplit(",", 1)[1]}'


@pytest.fixture
def root(lines, touch, tmp_path):
    lines(vindr.BREASTS, HEADER, *ROWS)
    lines(
        vindr.FINDINGS, FINDINGS,
        finding(ROWS[0], "['Mass', 'Suspicious Calcification']", "BI-RADS 4", "10.5,20,300,400"),
        finding(ROWS[0], "['Skin Thickening']", "", "-3.2,20,2900,3519"),
        *(finding(row, "['No Finding']", "", ",,,") for row in ROWS[1:]),
    )  # fmt: skip
    lines(
        vindr.METADATA,
        "SOP Instance UID,Patient's Age,Manufacturer,Manufacturer's Model Name,"
        "Imager Pixel Spacing,SOP Instance UID",
        *(f'1.2.{k},{"049Y" if k < 4 else ""},SIEMENS,Inspiration,"[0.085, 0.085]",'
          f"{row.split(',')[2]}" for k, row in enumerate(ROWS)),
    )  # fmt: skip
    parts = [row.split(",") for row in ROWS]
    touch(*(f"images/{one[0]}/{one[2]}.dicom" for one in parts[:7]))
    return tmp_path / "set"


def test_the_label_is_a_surrogate_with_a_threshold(root):
    assert detect(root) == ["vindr"]
    source = adapt("vindr", root)
    assert source.labels["cancer"].tolist() == ["1", "0", "1", "0"]
    assert set(source.labels["kind"]) == {"surrogate_birads"} and source.pathology.empty
    assert source.labels["split"].tolist() == ["train", "train", "test", "test"]
    assert (source.labels["invasive"] == "").all() and "pathology" in source.card.lacks
    five = adapt("vindr", root, {"positive_from": "5"})
    assert five.labels["cancer"].tolist() == ["0", "0", "1", "0"]
    assert five.notes[0] == "Positive: BI-RADS 5 and above."
    with pytest.raises(InputError, match="positive_from is '2'; valid: 3, 4, 5"):
        adapt("vindr", root, {"positive_from": "2"})


def test_exams(root):
    exams = adapt("vindr", root).exams
    assert exams["birads"].tolist() == ["4", "5"] and exams["density"].tolist() == ["c", ""]
    assert exams["density_raw"].tolist() == ["DENSITY C", "DENSITY B|DENSITY C"]
    assert exams["age_years"].tolist() == ["49", ""] and set(exams["device"]) == {"Inspiration"}


def test_images_and_their_headers(root):
    source = adapt("vindr", root)
    assert source.images["reason"].tolist() == [""] * 7 + [ABSENT]
    assert set(source.images["spacing_mm"]) == {"0.085"}
    assert source.images["path"].iloc[0] == f"images/{'a' * 32}/a{0:031d}.dicom"


def test_boxes(root):
    source = adapt("vindr", root)
    boxes = source.more["findings"]
    assert boxes["category"].tolist() == ["Mass", "Suspicious Calcification", "Skin Thickening"]
    assert boxes.iloc[2, 2:].tolist() == ["0", "2800", "20", "3518", ""]
    assert boxes.iloc[0, 2:].tolist() == ["10.5", "300", "20", "400", "BI-RADS 4"]
    assert any("2 boxes, 1 of them clipped" in note for note in source.notes)


def test_tables_that_are_not_there_are_said(root):
    (root / vindr.METADATA).unlink()
    (root / vindr.FINDINGS).unlink()
    source = adapt("vindr", root)
    assert "findings" not in source.more and (source.exams["age_years"] == "").all()
    assert sum("is not there" in note for note in source.notes) == 2


@pytest.mark.parametrize(
    "file, old, new, message",
    [
        (vindr.BREASTS, "BI-RADS 5", "BI-RADS 0", "breast_birads is not as in"),
        (vindr.BREASTS, "DENSITY B", "B", "breast_density is not as in"),
        (vindr.BREASTS, ",L,MLO,3518,2800,BI-RADS 4", ",L,MLO,3518,2800,BI-RADS 3",
         "birads differs within study_id/laterality"),
        (vindr.BREASTS, "C,test", "C,training", "split differs within study_id"),
        (vindr.BREASTS, "training", "train", "split is not training or test"),
        (vindr.BREASTS, ",MLO,", ",ML,", "view_position is not CC or MLO"),
        (vindr.FINDINGS, "['Mass', 'Suspicious Calcification']", "Mass", "is not a list such as"),
        (vindr.FINDINGS, "a" + "0" * 31, "c" + "0" * 31, "image_id is in no row"),
        (vindr.FINDINGS, "10.5", "", "xmin is blank"),
        (vindr.METADATA, "SOP Instance UID", "UID", "holds the image ids"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(root, file, old, new, message):
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        adapt("vindr", root)
