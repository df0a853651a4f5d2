"""Constants of the disease: incidence, death, growth of cancers, benign look-alikes."""

from mammolab.world.constants import Parameter

# ---- incidence and death -------------------------------------------------------------------
INCIDENCE = Parameter(
    {
        "white": (
            1.0, 7.6, 26.6, 66.1, 126.5, 186.6, 221.1, 272.1, 334.8, 392.3,
            417.8, 443.9, 442.1, 410.9,
        ),
        "black": (
            2.7, 11.3, 31.1, 67.6, 119.4, 187.4, 241.5, 291.1, 310.1, 366.6,
            393.1, 409.0, 396.8, 363.7,
        ),
        "asian": (
            0.6, 7.2, 22.2, 51.1, 99.7, 154.8, 190.6, 234.2, 255.5, 233.9,
            227.5, 221.6, 224.1, 167.8,
        ),
        "hispanic": (
            1.7, 7.4, 27.4, 61.0, 122.2, 190.3, 231.4, 283.6, 311.4, 307.9,
            333.4, 350.8, 253.1, 204.1,
        ),
        "other": (
            1.0, 7.6, 26.6, 66.1, 126.5, 186.6, 221.1, 272.1, 334.8, 392.3,
            417.8, 443.9, 442.1, 410.9,
        ),
    },
    "per 100,000 women-years",
    "invasive incidence, 5-year age bands 20-24 .. 85-89; other as white",
    "BCRA package, lambda1: White 1983-87, Black 1994-98, US Hispanic, mean of four Asian groups",
)  # fmt: skip
OTHER_MORTALITY = Parameter(
    {
        "white": (49, 53, 63, 83, 131, 218, 366, 585, 944, 1503, 2384, 3883, 6683, 14490),
        "black": (74, 102, 146, 216, 315, 449, 632, 963, 1472, 2116, 3266, 4564, 6835, 13270),
        "asian": (21, 25, 27, 36, 56, 99, 160, 263, 424, 736, 1215, 2095, 3885, 9428),
        "hispanic": (36, 40, 53, 89, 140, 208, 309, 470, 761, 1206, 1938, 2884, 4296, 7403),
        "other": (49, 53, 63, 83, 131, 218, 366, 585, 944, 1503, 2384, 3883, 6683, 14490),
    },
    "per 100,000 women-years",
    "death from other causes, the same age bands",
    "BCRA package, lambda2",
)
INCIDENCE_SCALE = Parameter(
    1.48,
    "1",
    "factor on the tables above: later years, and women who come to be screened",
    "calibrated to 5.9 cancers within a year of 1000 exams",
)
CANCER_MORTALITY = Parameter(0.025, "1/year", "death of breast cancer after an invasive one")

# ---- disease -------------------------------------------------------------------------------
DOUBLING_MEDIAN = Parameter(
    ((0, 50, 0.262), (50, 70, 0.357), (70, 200, 0.486)),
    "years",
    "median volume doubling time by age at surfacing: (from, to, median)",
    "Peer 1993 for the order; calibrated",
)
DOUBLING_LOG_SD = Parameter(0.95, "log years", "spread of the doubling time", "calibrated")
SYMPTOM_LOG_HAZARD = Parameter(
    -8.60, "log 1/(mm3 year)", "hazard of symptoms per tumour volume", "calibrated"
)
SURFACING_DIAMETER_RANGE = Parameter((3.0, 90.0), "mm", "limits of the diameter at symptoms")
DCIS_PER_INVASIVE = Parameter(
    0.47, "1", "DCIS onset hazard over the invasive hazard", "calibrated to a 25% share"
)
DCIS_SOJOURN = Parameter(2.2, "years", "mean time a DCIS can be seen", "calibrated")
DCIS_SYMPTOMATIC = Parameter(0.08, "share", "DCIS found by symptoms at the end of that time")
DCIS_EXTENT = Parameter((16.0, 0.55), "mm, log SD", "median final extent of a DCIS and spread")
SMALLEST_VISIBLE = Parameter(2.0, "mm", "lesions below this leave no trace in an image")
CANCER_KINDS = Parameter(
    {"mass": 0.32, "spiculated": 0.38, "calcification": 0.12, "asymmetry": 0.18},
    "share",
    "look of an invasive cancer; DCIS is always calcification",
)
LESION_CONTRAST_SD = Parameter(
    0.15, "log contrast", "lasting differences between lesions in attenuation contrast"
)
LEFT_SHARE = Parameter(0.51, "share", "cancers in the left breast")
UPPER_OUTER = Parameter((0.15, 0.40), "1", "mean and SD of height, -1 inner/lower to 1 upper/outer")
BENIGN_PRESENT = Parameter(
    (0.22, 0.07, 0.02), "probability", "a first, second, third benign look-alike in a woman"
)
BENIGN_CALCIFICATION = Parameter(0.45, "share", "benign look-alikes that are calcifications")
BENIGN_ONSET_AGE = Parameter((44.0, 10.0), "years", "mean and SD of their age of appearance")
BENIGN_DIAMETER = Parameter((8.0, 0.35), "mm, log SD", "median diameter of a look-alike and spread")
