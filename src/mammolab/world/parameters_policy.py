"""Constants of the policies tried out in `policy`: MRI beside mammography, longer intervals."""

from mammolab.world.constants import Parameter

MRI_DETECTION = Parameter(
    {"invasive": (4.0, 4.0, 0.95), "dcis": (4.0, 4.0, 0.85)},
    "mm, logit per log(size), probability",
    "MRI finds a lesion: size at half of the ceiling, slope, ceiling; density plays no part",
    "assumption, not fitted: sensitivity .95 in DENSE (79 found, 4 interval cancers: Bakker 2019, "
    "doi:10.1056/NEJMoa1903986), .90 of 40 cancers in Riedl 2015, PMC5526626 (14 of 14 DCIS; no "
    "effect of density); abstracts and a report of the trial read",
)
MRI_FALSE_POSITIVES = Parameter(
    {"first": 0.0798, "later": 0.0263},
    "probability",
    "recall after an MRI of a woman without cancer: her first one, later ones",
    "DENSE, extremely dense breasts: Veenhuizen 2021, doi:10.1148/radiol.2021203633; abstract read",
)
INTERVAL_GRACE = Parameter(
    0.25, "years", "a woman may come this much sooner than the longer interval asks"
)
