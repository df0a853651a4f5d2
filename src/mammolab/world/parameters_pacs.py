"""How often a PACS export holds more than the four standard views of an exam.

`pacs_extras` draws each from a stream of the exam; `extra_rate` of `export_pixels` multiplies all
shares.
"""

from mammolab.world.constants import Parameter

TECHNICAL_REPEAT = Parameter(
    0.0047,
    "share of standard views",
    "views taken twice because the first was badly positioned, both of them kept",
    "456 repeats among 97,715 exposures: Garcia and Wang, AAPM annual meeting 2019",
)
REPEAT_SHIFT = Parameter(
    ((-30.0, 30.0), (-28.0, -12.0)),
    "mm",
    "shift of the badly positioned breast along the chest wall, and off the detector: uniform",
)
EXTRA_VIEW = Parameter(0.02, "share of exams", "one more view of a breast, either XCCL or ML")
EXTRA_VIEW_XCCL = Parameter(0.7, "share of extra views", "XCCL; the others are ML")
XCCL_SHIFT = Parameter(
    (22.0, -8.0), "mm", "shift that brings the outer breast to the middle of an XCCL view"
)
SPOT_COMPRESSION = Parameter(
    0.004, "share of exams", "a spot compression view, worked up while the woman waits"
)
SPOT_PADDLE = Parameter(75.0, "mm", "side of the square that the spot paddle leaves uncovered")
MAGNIFICATION_VIEW = Parameter(0.004, "share of exams", "a magnification view, likewise")
MAGNIFICATION_FACTOR = Parameter(
    1.8,
    "1",
    "estimated radiographic magnification of such a view",
    "assumption, within the 1.4 to 2.0 of 21 CFR 900.12(b)(6)",
)
LARGE_BREAST = Parameter(100.0, "mm", "chest wall to nipple beyond which a detector may be small")
PARTIAL_VIEW = Parameter(
    0.35, "share of exams of large breasts", "one projection of both breasts in two images"
)
PARTIAL_SHIFT = Parameter(
    55.0, "mm", "shift along the chest wall between the standard view and the rest of the breast"
)
IMPLANT_DISPLACED = Parameter(
    0.9,
    "share of exams with implants",
    "all four views again with the implant pushed back",
    "assumption; the views: Eklund et al., AJR 1988;151:469, doi:10.2214/ajr.151.3.469",
)
FOR_PROCESSING = Parameter(
    0.005, "share of exams", "the raw images of the four views were sent to the archive as well"
)
DOSE_SCREEN = Parameter(0.03, "share of exams", "a secondary capture of the dose screen")
NOTE_REPORT = Parameter(0.02, "share of exams", "a basic text report with the technologist's note")
BROKEN_FILE = Parameter(
    0.006,
    "share of exams",
    "a damaged file beside the whole ones, never in the place of one",
)
GLANDULAR_DOSE = Parameter(
    (1.6, 0.30), "mGy, log SD", "median dose a view and spread, for the dose screen"
)
