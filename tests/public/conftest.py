"""Public data sets in their published layout, small, with images that can be converted."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mammolab.data.adapters.mirai_export import COLUMNS as MIRAI_COLUMNS
from mammolab.schemas import SPLITS

N_WOMEN = 80
RSNA_HEADER = (
    "site_id,patient_id,image_id,laterality,view,age,cancer,biopsy,invasive,BIRADS,implant,density,"
    "machine_id,difficult_negative_case"
)
VIEWS = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))


def breast(rng: np.random.Generator, bright: bool) -> np.ndarray:
    """A picture like a breast's outline, with a bright spot or without; uint16, shape (160, 130)."""
    rows, columns = np.mgrid[:160, :130]
    inside = (rows - 80) ** 2 / 70**2 + columns**2 / 100**2 < 1
    pixels = np.where(inside, 1200 + rng.normal(0, 60, inside.shape), 0.0)
    row, column = rng.integers(50, 110), rng.integers(20, 60)
    if bright:
        pixels += 1500 * ((rows - row) ** 2 + (columns - column) ** 2 < 64) * inside
    return pixels.clip(0, 4095).astype(np.uint16)


@pytest.fixture(scope="session")
def write_rsna(write_mammogram):
    """A function (folder) that writes RSNA 2022 as published: train.csv and train_images/.

    A third of the women have a cancer. Age, BIRADS and density are blank as in the published table
    (site 2 tells no density); headers tell neither side nor view nor exam.
    """

    def write(root: Path) -> Path:
        rng = np.random.default_rng(7)
        rows = [RSNA_HEADER]
        for number in range(N_WOMEN):
            woman, site = 1000 + number, 1 + number % 2
            side = "LR"[number % 4 // 2] if number % 3 == 0 else ""
            age = "" if number % 11 == 5 else f"{45 + number % 30}.0"
            density = "ABCD"[number % 4] if site == 1 else ""
            for place, (laterality, view) in enumerate(VIEWS):
                cancer = int(laterality == side)
                calm = "0" if cancer else "1.0"
                birads = calm if site == 1 else ""
                image = 10 * woman + place
                rows.append(
                    f"{site},{woman},{image},{laterality},{view},{age},{cancer},{cancer},"
                    f"{int(cancer and number % 2 == 0)},{birads},0,{density},{20 + site},False"
                )
                write_mammogram(
                    root / "train_images" / str(woman) / f"{image}.dcm",
                    breast(rng, bool(cancer)),
                    PatientID=str(woman),
                    AccessionNumber=None,
                    ImageLaterality=None,
                    ViewPosition=None,
                    ImagerPixelSpacing=None,
                    Manufacturer=None,
                    ManufacturerModelName=None,
                    SOPInstanceUID=f"1.2.840.{image}",
                )
        (root / "train.csv").write_text("\n".join(rows) + "\n")
        return root

    return write


@pytest.fixture(scope="session")
def write_mirai():
    """A function (folder) that writes a list in Mirai's format with the 16-bit PNG files it names.

    Of every five women one has cancer within the year, one is not followed. Women are in train,
    dev and test by turns.
    """

    def write(root: Path) -> Path:
        rng = np.random.default_rng(8)
        rows = [",".join(MIRAI_COLUMNS)]
        years = {0: ("0", "0"), 1: ("100", "0"), 2: ("100", "5"), 3: ("3", "3"), 4: ("100", "2")}
        for woman in range(30):
            for laterality, view in VIEWS:
                path = root / "png" / f"W{woman}" / f"{laterality}{view}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = breast(rng, False)
                Image.fromarray(pixels if laterality == "L" else pixels[:, ::-1]).save(path)
                to_cancer, free = years[woman % 5]
                split = SPLITS[woman % 3]
                rows.append(f"W{woman},0,{laterality},{view},{path},{to_cancer},{free},{split}")
        (root / "list.csv").write_text("\n".join(rows) + "\n")
        return root

    return write
