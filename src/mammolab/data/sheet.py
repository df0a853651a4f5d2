"""The contact sheet of `mammolab ingest`: a look at each kind of image there is."""

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from mammolab.data.pixels import Crop
from mammolab.data.source import KINDS

N_TILES, N_COLUMNS = 24, 6
TILE_WIDTH, TILE_HEIGHT, GAP = 240, 300, 12  # pixels
FONT_SIZE, CAPTION_HEIGHT = 15, 44


def draw_sheet(images: pd.DataFrame, index: pd.DataFrame, store: np.ndarray) -> Image.Image:
    """Some images of each vendor, kind, window and polarity, so that a wrong one is seen.

    Of each the part of the frame that holds the image is shown, as large as fits, in the grey
    that the network sees.

    Parameters
    ----------
    images : table `images`, as `conversion.image_table` gives it.
    index : table `dicom_index`; tells the vendor.
    store : uint8, shape (n, rows, columns).
    """
    shown = _examples(images.merge(index[["image_id", "manufacturer", "model"]], on="image_id"))
    n_rows = -(-len(shown) // N_COLUMNS)
    step_x, step_y = TILE_WIDTH + GAP, TILE_HEIGHT + CAPTION_HEIGHT + GAP
    size = (min(len(shown), N_COLUMNS) * step_x + GAP, n_rows * step_y + GAP)
    sheet, font = Image.new("L", size, 255), ImageFont.load_default(FONT_SIZE)
    pen = ImageDraw.Draw(sheet)
    for tile, image in enumerate(shown.itertuples()):
        left = GAP + tile % N_COLUMNS * step_x
        top = GAP + tile // N_COLUMNS * step_y
        for line, text in enumerate(
            (f"row {image.row}: {image.laterality} {image.view}", image.how)
        ):
            while font.getlength(text) > TILE_WIDTH:
                text = f"{text.rstrip('.')[:-1]}..."
            pen.text((left, top + line * CAPTION_HEIGHT // 2), text, 0, font)
        box = (left, top + CAPTION_HEIGHT)
        pen.rectangle((*box, left + TILE_WIDTH - 1, box[1] + TILE_HEIGHT - 1), fill=0)
        sheet.paste(_enlarged(store[image.row], Crop.read(image.crop)), box)
    return sheet


def _examples(images: pd.DataFrame) -> pd.DataFrame:
    """The images to show, in turn one of each sort, and how each was made, in words."""
    words = [
        images["model"].fillna(images["manufacturer"]).fillna(""),
        images["kind"].where(images["kind"] != KINDS[0], ""),
        images["window"].str.split().str[0],
        images["inverted"].map({True: "inverted", False: ""}),
    ]
    how = [", ".join(filter(None, parts)) for parts in zip(*words, strict=True)]
    images = images.assign(how=how).sort_values(["how", "row"])
    turn = images.groupby("how").cumcount().sort_values(kind="stable")
    return images.loc[turn.index[:N_TILES]]


def _enlarged(frame: np.ndarray, crop: Crop) -> Image.Image:
    """The part of a frame that holds the image, as large as a tile; never stretched."""
    held = frame[crop.at_row : crop.at_row + crop.bottom - crop.top, : crop.width]
    scale = min(TILE_HEIGHT / held.shape[0], TILE_WIDTH / held.shape[1])
    size = (max(1, round(held.shape[1] * scale)), max(1, round(held.shape[0] * scale)))
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    return Image.fromarray(np.ascontiguousarray(held)).resize(size, how)
