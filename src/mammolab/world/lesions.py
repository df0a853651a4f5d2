"""Lesions and their benign look-alikes: place in the breast and extra attenuation in a view."""

from dataclasses import dataclass

import numpy as np

from mammolab.world.fields import smooth_field, spline_basis
from mammolab.world.outline import Outline, grid_mm
from mammolab.world.streams import stream

KINDS = (
    "mass",
    "spiculated",
    "calcification",
    "asymmetry",
    "benign_mass",
    "benign_calcification",
)

# Linear attenuation per mm near 20 keV: fat, gland, carcinoma. Johns and Yaffe, Phys Med Biol
# 1987;32:675, doi:10.1088/0031-9155/32/6/002. Calcium: assumption, within hydroxyapatite's range.
MU_FAT, MU_GLAND, MU_MASS, MU_CALCIUM = 0.050, 0.080, 0.0855, 1.3

# Share of the tissue in its place that a mass replaces; it pushes the rest aside. Assumption, so
# that the attenuation contrast in a breast of density d is about 25% below that in a fatty one.
_REPLACED = 0.7
_DILUTING_MM = 0.8  # pixel from which calcifications get the factor squared; assumption

# Half-width of the drawn square against the radius of the lesion.
_EXTENT = {
    "mass": 1.5,
    "spiculated": 3.4,
    "calcification": 1.6,
    "asymmetry": 2.2,
    "benign_mass": 1.5,
    "benign_calcification": 1.6,
}


@dataclass(frozen=True)
class Lesion:
    """One finding in one breast; over the years a lesion keeps everything but its diameter."""

    kind: str  # one of KINDS
    diameter_mm: float
    depth: float  # 0 chest wall .. 1 nipple
    height: float  # -1 inferior / medial .. 1 superior / lateral
    seed: int
    malignant: bool
    contrast: float = 0.0  # log factor on the attenuation contrast; part of the lesion's nature

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown lesion kind {self.kind!r}; known: {', '.join(KINDS)}")
        if not self.diameter_mm > 0:
            raise ValueError(f"diameter_mm must be positive, got {self.diameter_mm}")


def offset_in_view(lesion: Lesion, view: str) -> float:
    """Place of a lesion across a projection, -1 below or medial to 1 above or lateral.

    The height shows in the MLO view; in the CC view, which looks along it, the offset towards
    lateral or medial comes from the lesion's seed.
    """
    if view == "CC":
        return float(stream(lesion.seed, "lateral offset").uniform(-1, 1))
    return lesion.height


def place(lesion: Lesion, outline: Outline, view: str) -> tuple[float, float]:
    """Centre of a lesion in a projection; the depth is common to both views.

    Parameters
    ----------
    lesion : Lesion
    outline : Outline
        The positioned breast, in the standard view.
    view : {"CC", "MLO"}

    Returns
    -------
    (row_mm, depth_mm)
        See `place_at`.
    """
    return place_at(lesion.depth, offset_in_view(lesion, view), lesion.diameter_mm, outline)


def place_at(depth: float, offset: float, diameter_mm: float,
             outline: Outline) -> tuple[float, float]:  # fmt: skip
    """Row and depth in mm of a finding, by relative depth (0..1) and offset (-1..1).

    Returns
    -------
    (row_mm, depth_mm)
        At least a third of the radius plus 4 mm inside the skin, off the pectoral muscle where the
        breast leaves room.
    """
    rows_mm, depth_mm = grid_mm(outline)
    margin = 4 + diameter_mm / 6
    roomy = outline.inside_mm > margin
    roomy &= np.abs(rows_mm - outline.nipple_mm) < 0.85 * outline.half_height_mm
    if outline.pectoral_mm is not None and (roomy & (outline.pectoral_mm < -2)).any():
        roomy &= outline.pectoral_mm < -2
    columns = np.flatnonzero(roomy.sum(axis=0) >= 3)
    wanted = outline.depth_mm * (0.12 + 0.76 * depth)
    column = columns[np.argmin(np.abs(depth_mm[0, columns] - wanted))]
    rows = rows_mm[roomy[:, column], 0]
    middle, reach = (rows[0] + rows[-1]) / 2, (rows[-1] - rows[0]) / 2
    half_cell = outline.cell_mm / 2
    centre = np.clip(wanted, depth_mm[0, column] - half_cell, depth_mm[0, column] + half_cell)
    return float(middle - 0.9 * offset * reach), float(centre)


def add_lesion(signal: np.ndarray, gland: np.ndarray, lesion: Lesion, view: str,
               centre_px: tuple[float, float], pixel_mm: float, blur_mm: float, gain: float,
               conspicuity: float) -> None:  # fmt: skip
    """Add the extra attenuation of a lesion to a projection, in place.

    Parameters
    ----------
    signal : ndarray of float32, shape (rows, columns)
        Log attenuation; changed.
    gland : ndarray, shape (rows / k, columns / k)
        Gland fraction at the same or an integer coarser sampling: a mass replaces this tissue, so
        it stands out less in gland than in fat.
    lesion : Lesion
    view : str
        Each view has its own projection of the irregularities.
    centre_px : (row, column)
        Centre in pixels of `signal`.
    pixel_mm, blur_mm : float
        Pixel side and blur SD of the imaging chain.
    gain : float
        Signal per unit of log attenuation.
    conspicuity : float
        Factor on the attenuation. For calcifications it is raised to the power 1 + pixel_mm / 0.8,
        2 at most: a coarse pixel dilutes a speck in both directions while it leaves the middle of a
        mass alone.
    """
    radius = lesion.diameter_mm / 2
    reach = int(np.ceil(radius * _EXTENT[lesion.kind] / pixel_mm)) + 2
    top, left = int(centre_px[0]) - reach, int(centre_px[1]) - reach
    rows = slice(max(top, 0), min(top + 2 * reach + 1, signal.shape[0]))
    columns = slice(max(left, 0), min(left + 2 * reach + 1, signal.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    y = ((np.arange(rows.start, rows.stop) + 0.5 - centre_px[0]) * pixel_mm)[:, None]
    x = ((np.arange(columns.start, columns.stop) + 0.5 - centre_px[1]) * pixel_mm)[None]
    generator = stream(lesion.seed, f"look {view}")
    if lesion.kind in ("calcification", "benign_calcification"):
        draw = _cluster if lesion.kind == "calcification" else _vessel
        boost = conspicuity ** min(1.0, pixel_mm / _DILUTING_MM)
        added = MU_CALCIUM * boost * draw(generator, y, x, radius, pixel_mm, blur_mm)
    elif lesion.kind == "asymmetry":
        added = (MU_GLAND - MU_FAT) * _asymmetry(generator, y, x, radius)
    else:
        coarser = signal.shape[0] // gland.shape[0]
        around = gland[rows.start // coarser : -(-rows.stop // coarser),
                       columns.start // coarser : -(-columns.stop // coarser)]  # fmt: skip
        replaced = MU_FAT + _REPLACED * (MU_GLAND - MU_FAT) * float(around.mean())
        added = _mass(generator, y, x, radius, lesion.kind, pixel_mm) * (MU_MASS - replaced)
    signal[rows, columns] += (gain * conspicuity * np.exp(lesion.contrast) * added).astype(
        np.float32
    )


def _mass(generator: np.random.Generator, y: np.ndarray, x: np.ndarray, radius: float,
          kind: str, pixel_mm: float) -> np.ndarray:  # fmt: skip
    """Chord length in mm through a lobulated ellipsoid, with spicules where the kind has them."""
    benign = kind == "benign_mass"
    angle, distance = np.arctan2(y, x), np.hypot(y, x) + 1e-3
    waves = np.arange(2, 9)
    size = (0.03 if benign else 0.14) / waves**0.7 * generator.normal(1, 0.4, waves.size)
    phase = generator.uniform(0, 2 * np.pi, waves.size)
    turn = np.linspace(-np.pi, np.pi, 256)
    edge = 1 + (size[:, None] * np.cos(waves[:, None] * turn + phase[:, None])).sum(axis=0)
    edge *= 1 + 0.15 * np.cos(2 * (turn - phase[0]))
    relative = distance / (radius * np.interp(angle, turn, edge))
    body = np.clip(1 - relative**2, 0, None)
    # A benign mass has a sharp border, a cancer fades into its surroundings.
    chord = 1.7 * radius * (np.sqrt(body) if benign else body**1.1)
    if benign:
        chord -= 0.12 * radius * np.exp(-(((relative - 1.12) / 0.09) ** 2))  # halo of fat
    if kind == "spiculated":
        spicules = np.zeros_like(distance)
        for _ in range(int(generator.integers(16, 32))):
            heading, bend = generator.uniform(0, 2 * np.pi), generator.normal(0, 0.10)
            length, true_width = radius * generator.uniform(1.3, 3.1), generator.uniform(0.35, 0.8)
            width = np.hypot(true_width, 0.40 * pixel_mm)  # pixels dilute thin strands
            # only the box from the centre to the tip, with room for the bend and the width
            room = 3 * width + abs(bend) * length**2 / radius
            box = tuple(
                slice(*np.searchsorted(axis.ravel(), (min(0, tip) - room, max(0, tip) + room)))
                for axis, tip in ((y, length * np.sin(heading)), (x, length * np.cos(heading)))
            )
            far = distance[box]
            turned = angle[box] - heading - bend * far / radius
            turned = (turned + np.pi) % (2 * np.pi) - np.pi
            strand = np.exp(-((turned * far / width) ** 2) / 2) * (np.abs(turned) < 1)
            strand *= true_width / width * np.clip(1 - (far / length) ** 2, 0, 1)
            np.maximum(spicules[box], strand, out=spicules[box])
        chord = np.maximum(chord, spicules * min(5.5, 2 + radius / 2))
    return chord


def _asymmetry(generator: np.random.Generator, y: np.ndarray, x: np.ndarray,
               radius: float) -> np.ndarray:  # fmt: skip
    """Extra gland in mm: an ill-defined cloud."""
    rows = spline_basis(y[:, 0] / (4.4 * radius) + 0.5, 9)
    columns = spline_basis(x[0] / (4.4 * radius) + 0.5, 9)
    cloud = np.clip(0.7 + 0.6 * smooth_field(generator, rows, columns), 0, 2)
    return 0.5 * radius * cloud * np.exp(-(y**2 + x**2) / radius**2)


def _specks(y: np.ndarray, x: np.ndarray, places: np.ndarray, diameters: np.ndarray,
            pixel_mm: float, blur_mm: float) -> np.ndarray:  # fmt: skip
    """Mean thickness in mm of small spheres, with their volume kept when they are below a pixel."""
    spread = np.hypot(np.maximum(diameters / 2.5, blur_mm), 0.40 * pixel_mm)
    along_y = np.exp(-(((y[:, 0] - places[:, :1]) / spread[:, None]) ** 2) / 2)
    along_x = np.exp(-(((x[0] - places[:, 1:]) / spread[:, None]) ** 2) / 2)
    volume = np.pi * diameters**3 / 6
    return (along_y * (volume / (2 * np.pi * spread**2))[:, None]).T @ along_x


def _cluster(generator: np.random.Generator, y: np.ndarray, x: np.ndarray, radius: float,
             pixel_mm: float, blur_mm: float) -> np.ndarray:  # fmt: skip
    """Pleomorphic grouped microcalcifications."""
    count = int(generator.integers(10, 31))
    places = np.clip(generator.normal(0, radius / 2.2, (count, 2)), -1.3 * radius, 1.3 * radius)
    diameters = np.clip(generator.lognormal(np.log(0.45), 0.35, count), 0.2, 1.0)
    return _specks(y, x, places, diameters, pixel_mm, blur_mm)


def _vessel(generator: np.random.Generator, y: np.ndarray, x: np.ndarray, radius: float,
            pixel_mm: float, blur_mm: float) -> np.ndarray:  # fmt: skip
    """Vascular calcification: two broken, gently curved parallel tracks."""
    count = int(generator.integers(20, 40))
    along = generator.uniform(-1.3 * radius, 1.3 * radius, count)
    heading, bend = generator.uniform(0, np.pi), generator.normal(0, 0.25)
    aside = bend * along**2 / radius + generator.choice([-0.9, 0.9], count)
    places = np.column_stack(
        (along * np.sin(heading) + aside * np.cos(heading),
         along * np.cos(heading) - aside * np.sin(heading))
    )  # fmt: skip
    places = np.clip(places, -1.5 * radius, 1.5 * radius)
    diameters = generator.uniform(0.3, 0.5, count)
    return _specks(y, x, places, diameters, pixel_mm, blur_mm)
