"""Every constant of the synthetic screening programme, with unit, meaning and source.

A source names a publication; "assumption" marks a choice of this package, "calibrated" a value
moved until the programme met the targets in `targets.py`. Nothing here depends on a run.
"""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Parameter:
    """One constant of the world.

    Attributes
    ----------
    value : the number, tuple or table (dict) itself.
    unit : unit of the value; "1" for a pure number.
    meaning : what it stands for, in one line.
    source : publication, "assumption" or "calibrated".
    """

    value: object
    unit: str
    meaning: str
    source: str = "assumption"


RACES = ("white", "black", "asian", "hispanic", "other")
DENSITIES = ("a", "b", "c", "d")

# ---- calendar ------------------------------------------------------------------------------
EPOCH = Parameter("2009-01-01", "date", "first day of exported exams; time zero of the world")
EXAMS_END = Parameter("2016-12-31", "date", "last day of exported exams")
EXTRACT_DATE = Parameter("2021-12-31", "date", "day the hospital wrote the export")
REGISTRY_COMPLETE = Parameter("2020-06-30", "date", "registry thought complete up to this day")

# ---- sites, devices, people ----------------------------------------------------------------
SITE_SHARES = Parameter(
    {"north": 0.50, "harbour": 0.20, "valley": 0.30}, "share", "women by hospital"
)
SITE_RACES = Parameter(
    {
        "north": (0.820, 0.056, 0.052, 0.054, 0.018),
        "harbour": (0.360, 0.457, 0.033, 0.110, 0.040),
        "valley": (0.720, 0.090, 0.070, 0.090, 0.030),
    },
    "share",
    "race and ethnicity by hospital, in the order of RACES",
    "McCarthy et al. for the first two hospitals (shares rounded to one); third: assumption",
)
# (device, first year, last year inclusive, share of the hospital's exams in those years)
SITE_DEVICES = Parameter(
    {
        "north": (
            ("alder", 2009, 2012, 0.85),
            ("birch", 2009, 2012, 0.15),
            ("alder", 2013, 2016, 0.25),
            ("dogwood", 2013, 2016, 0.75),
        ),
        "harbour": (
            ("birch", 2009, 2014, 1.00),
            ("cedar", 2015, 2016, 0.70),
            ("birch", 2015, 2016, 0.30),
        ),
        "valley": (
            ("cedar", 2009, 2011, 0.90),
            ("alder", 2009, 2011, 0.10),
            ("cedar", 2012, 2016, 0.50),
            ("dogwood", 2012, 2016, 0.50),
        ),
    },
    "share",
    "who had which machine when; tied to hospital and year, never to cancer",
)
ANCHOR_AGES = Parameter(
    (
        (35, 40, 0.03),
        (40, 45, 0.17),
        (45, 50, 0.175),
        (50, 55, 0.175),
        (55, 60, 0.155),
        (60, 65, 0.135),
        (65, 70, 0.10),
        (70, 74, 0.06),
    ),
    "share",
    "age of a woman on joining, or on the first day for those already there: (from, to, share)",
    "assumption, older than McCarthy et al. to resemble the exams of the BCSC",
)
PRESENT_AT_START = Parameter(0.50, "share", "women already with the hospital on the first day")
TENURE_BEFORE_START = Parameter(5.0, "years", "mean time with the hospital before the first day")
LEAVING_RATE = Parameter(0.045, "1/year", "rate of leaving the hospital for good")
LEAVES_STATE = Parameter(0.30, "share", "leavers who also leave the registry's area")

FAMILY_HISTORY = Parameter(
    {"under_50": 0.104, "from_50": 0.146},
    "share",
    "women with at least one affected first-degree relative",
    "iCARE (Choudhury et al. 2020)",
)
RELATIVES_SPLIT = Parameter((0.85, 0.12, 0.03), "share", "one, two, three relatives among those")
PARITY = Parameter(
    {"under_50": (0.21, 0.17, 0.35, 0.17, 0.10), "from_50": (0.15, 0.14, 0.32, 0.22, 0.17)},
    "share",
    "births 0, 1, 2, 3, 4 or more",
    "iCARE (Choudhury et al. 2020), rounded to one",
)
MENARCHE = Parameter(
    ((7, 11, 0.18), (12, 13, 0.54), (14, 17, 0.28)),
    "share",
    "age at menarche in years: (from, to, share)",
    "McCarthy et al., scaled to those known",
)
FIRST_BIRTH_AGE = Parameter(
    {"white": 26.5, "black": 23.0, "asian": 28.0, "hispanic": 23.5, "other": 25.5},
    "years",
    "mean age at first birth by race",
)
FIRST_BIRTH_SD = Parameter(5.2, "years", "standard deviation of the age at first birth")
BIOPSIES = Parameter(
    (0.83, 0.125, 0.035, 0.01), "share", "0, 1, 2, 3 prior biopsies", "17% any: Tice 2015"
)
ATYPIA_PER_BIOPSIED = Parameter(0.07, "share", "atypia among women with a prior biopsy")
BRCA = Parameter(0.003, "share", "carriers of a BRCA1/2 pathogenic variant")
BMI_MEDIAN = Parameter(
    {"white": 26.6, "black": 30.2, "asian": 23.9, "hispanic": 28.3, "other": 27.0},
    "kg/m2",
    "median body-mass index by race",
)
BMI_LOG_SD = Parameter(0.20, "log kg/m2", "spread of the body-mass index")
MENOPAUSE_AGE = Parameter((51.0, 3.8), "years", "mean and SD of the age at menopause")
IMPLANT = Parameter(0.02, "share", "women with implants")
BREAST_SIZE = Parameter((82.0, 11.0), "mm", "mean and SD of the chest wall to nipple distance")
BREAST_SIZE_BMI = Parameter(0.6, "1", "correlation of breast size with log body-mass index")

# ---- density -------------------------------------------------------------------------------
DENSITY_CUTS = Parameter(
    (-1.282, 0.140, 1.341),
    "SD",
    "cuts a|b, b|c, c|d on the latent density scale: 10/45/36/9% at age 57 in white women",
    "between the 10/40/40/10 of BI-RADS and the 43% dense of the BCSC",
)
DENSITY_AGE_SLOPE = Parameter(
    -0.0171,
    "SD/year",
    "fall of latent density with age",
    "56.6% dense at 40-44, 28.4% at 85 and over (Sprague 2014)",
)
DENSITY_RACE = Parameter(
    {"white": 0.0, "black": -0.22, "asian": 0.53, "hispanic": 0.0, "other": 0.0},
    "SD",
    "shift of latent density by race",
    "dense 45.5 / 37.0 / 66 / 45.3%: McCarthy et al.",
)
DENSITY_BMI = Parameter(-0.35, "1", "correlation of latent density with log body-mass index")
DENSITY_READING_SD = Parameter(0.25, "SD", "noise of the radiologist's density category")
# latent value -> share of the breast area that is dense, at the class centres and far tails
DENSITY_TO_AREA = Parameter(
    ((-3.0, -1.75, -0.55, 0.70, 1.75, 3.0), (0.02, 0.06, 0.20, 0.45, 0.74, 0.88)),
    "SD -> share",
    "percent density (as a share) by latent density; class centres .06/.20/.45/.74",
)

# ---- risk ----------------------------------------------------------------------------------
INCIDENCE = Parameter(
    {
        "white": (
            1.0,
            7.6,
            26.6,
            66.1,
            126.5,
            186.6,
            221.1,
            272.1,
            334.8,
            392.3,
            417.8,
            443.9,
            442.1,
            410.9,
        ),
        "black": (
            2.7,
            11.3,
            31.1,
            67.6,
            119.4,
            187.4,
            241.5,
            291.1,
            310.1,
            366.6,
            393.1,
            409.0,
            396.8,
            363.7,
        ),
        "asian": (
            0.6,
            7.2,
            22.2,
            51.1,
            99.7,
            154.8,
            190.6,
            234.2,
            255.5,
            233.9,
            227.5,
            221.6,
            224.1,
            167.8,
        ),
        "hispanic": (
            1.7,
            7.4,
            27.4,
            61.0,
            122.2,
            190.3,
            231.4,
            283.6,
            311.4,
            307.9,
            333.4,
            350.8,
            253.1,
            204.1,
        ),
        "other": (
            1.0,
            7.6,
            26.6,
            66.1,
            126.5,
            186.6,
            221.1,
            272.1,
            334.8,
            392.3,
            417.8,
            443.9,
            442.1,
            410.9,
        ),
    },
    "per 100,000 women-years",
    "invasive incidence, 5-year age bands 20-24 .. 85-89; other as white",
    "BCRA package, lambda1: White 1983-87, Black 1994-98, US Hispanic, mean of four Asian groups",
)
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
    1.40,
    "1",
    "factor on the tables above: later years, and women who come to be screened",
    "calibrated to 5.9 cancers within a year of 1000 exams",
)
CANCER_MORTALITY = Parameter(0.025, "1/year", "death of breast cancer after an invasive one")

RELATIVES_LOG_RR = Parameter(
    (0.0, 0.588, 1.075, 1.361),
    "log RR",
    "0, 1, 2, 3 affected first-degree relatives",
    "Collaborative Group, Lancet 2001: 1.80/2.93/3.90",
)
MENARCHE_LOG_RR = Parameter(
    0.0940103059, "log RR per category", ">=14 / 12-13 / <12 years", "Gail: BCRA package, White"
)
FIRST_BIRTH_LOG_RR = Parameter(
    0.2186262218,
    "log RR per category",
    "<20 / 20-24 / 25-29 or none / >=30 years",
    "Gail: BCRA package, White",
)
BIOPSY_LOG_RR = Parameter(
    {"under_50": 0.5292641686, "from_50": 0.2412216856},
    "log RR per biopsy, at most two",
    "prior biopsies",
    "Gail: BCRA package, White",
)
ATYPIA_LOG_RR = Parameter(0.671, "log RR", "atypia, against a biopsy without", "Gail: 1.82/.93")
BMI_LOG_RR = Parameter(
    0.5, "log RR per log kg/m2", "body-mass index from age 50 on", "assumption, 1.10 per 5 kg/m2"
)
BRCA_LOG_RR = Parameter(2.2, "log RR", "BRCA carrier", "assumption, RR 9")
CLINICAL_ATTENUATION = Parameter(
    {"white": 1.0, "black": 0.5, "asian": 0.75, "hispanic": 0.65, "other": 0.8},
    "1",
    "factor on every clinical log RR above: what models fitted to white women get wrong",
)
DENSITY_LOG_RR_SD = Parameter(
    0.30,
    "log RR per SD",
    "latent density, given age, race and body-mass index",
    "RR 1/2.03/2.95/4.03 for a-d: Cummings 2009",
)
IMAGE_LOG_RR_SD = Parameter(0.45, "log RR per SD", "texture: risk that only the pixels show")
HIDDEN_LOG_RR_SD = Parameter(0.40, "log RR per SD", "frailty that nothing recorded shows")

# ---- disease -------------------------------------------------------------------------------
DOUBLING_MEDIAN = Parameter(
    ((0, 50, 0.265), (50, 70, 0.36), (70, 200, 0.49)),
    "years",
    "median volume doubling time by age at surfacing: (from, to, median)",
    "Peer 1993 for the order; calibrated",
)
DOUBLING_LOG_SD = Parameter(0.95, "log years", "spread of the doubling time", "calibrated")
SYMPTOM_LOG_HAZARD = Parameter(
    -8.48, "log 1/(mm3 year)", "hazard of symptoms per tumour volume", "calibrated"
)
SURFACING_DIAMETER_RANGE = Parameter((3.0, 90.0), "mm", "limits of the diameter at symptoms")
DCIS_PER_INVASIVE = Parameter(
    0.44, "1", "DCIS onset hazard over the invasive hazard", "calibrated to a 25% share"
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
LEFT_SHARE = Parameter(0.51, "share", "cancers in the left breast")
UPPER_OUTER = Parameter((0.45, 0.20), "1", "mean and SD of height, -1 inner/lower to 1 upper/outer")
BENIGN_PRESENT = Parameter(
    (0.22, 0.07, 0.02), "probability", "a first, second, third benign look-alike in a woman"
)
BENIGN_CALCIFICATION = Parameter(0.45, "share", "benign look-alikes that are calcifications")
BENIGN_ONSET_AGE = Parameter((44.0, 10.0), "years", "mean and SD of their age of appearance")
BENIGN_DIAMETER = Parameter((8.0, 0.35), "mm, log SD", "median diameter of a look-alike and spread")

# ---- attendance ----------------------------------------------------------------------------
CADENCE_SHARES = Parameter(
    {"annual": 0.50, "biennial": 0.35, "irregular": 0.15}, "share", "habit of attending"
)
# Never under a year: insurers pay once a year, and a cancer found at the next screen must not
# count as missed at this one.
CADENCE_INTERVAL = Parameter(
    {"annual": (1.01, 0.17), "biennial": (1.90, 0.30), "irregular": (1.50, 1.80)},
    "years",
    "shortest interval, and mean of the exponential time on top",
)
FIRST_SCREEN_AGE = Parameter((40.0, 46.0), "years", "age at the first screen: uniform between")
EARLY_STARTERS = Parameter(0.08, "share", "women who start between 35 and 40")
LAST_SCREEN_AGE = Parameter(75.0, "years", "no invitation after this age")
DIAGNOSTIC_SHARE = Parameter(0.012, "share", "visits made for a complaint that proves harmless")
SURVEILLANCE_SHARE = Parameter(
    0.30, "share", "women with a past cancer whose later exams are in the export"
)
SURVEILLANCE_YEARS = Parameter(
    5.0, "years", "time after a cancer until exams are called screening again"
)
SYMPTOM_WORKUP_HERE = Parameter(
    0.50, "share", "symptomatic cancers worked up (diagnostic exam, biopsy) in this hospital"
)

# ---- readers -------------------------------------------------------------------------------
READERS = Parameter({"north": 14, "harbour": 8, "valley": 10}, "readers", "panel by hospital")
READER_SENSITIVITY_SD = Parameter(
    0.40, "logit", "between readers", "from BCSC 2004-08 deciles 77.4-94.7%"
)
READER_SPECIFICITY_SD = Parameter(
    0.45, "logit", "between readers", "from BCSC 2004-08 deciles 84.6-95.6%"
)
READER_CORRELATION = Parameter(-0.3, "1", "between the two effects")
DETECTION_CEILING = Parameter(0.99, "probability", "best possible detection", "calibrated")
DETECTION_CURVE = Parameter(
    (-4.9, 0.50),
    "logit, logit/mm",
    "intercept and slope of detection on diameter",
    "26% at 5 mm, 91% at 10 mm (Weedon-Fekjaer 2008); calibrated",
)
DETECTION_DENSITY = Parameter(
    (1.2, 0.5, -0.4, -1.9),
    "logit",
    "shift of detection by density a-d",
    "Kerlikowske 2018 for the order; calibrated",
)
DETECTION_DCIS = Parameter(
    1.4, "logit", "detection of a visible DCIS, before density and reader", "calibrated"
)
FALSE_POSITIVES = Parameter(
    (
        (40, 50, (65, 123, 147, 113)),
        (50, 60, (53, 94, 117, 95)),
        (60, 70, (51, 82, 100, 74)),
        (70, 200, (50, 77, 95, 62)),
    ),
    "per 1000 screens",
    "false positives by age (from, to) and density a-d",
    "Kerlikowske 2015",
)
FALSE_POSITIVE_SHIFT = Parameter(0.17, "logit", "shift of that table", "calibrated to 11.6% recall")
FALSE_POSITIVE_HABIT_SD = Parameter(
    0.85,
    "logit",
    "lasting differences between women in false positives",
    "calibrated to the ten-year cumulative rates of Ho 2022",
)
PRIOR_FILM_LOG_ODDS = Parameter(
    -0.693, "log odds", "false positive with a prior film", "OR .50: Hubbard 2011"
)
FILMS_BROUGHT = Parameter(0.5, "share", "women with no recent film here who bring older ones")
BENIGN_LOG_ODDS = Parameter(0.6, "log odds", "false positive where a benign look-alike shows")
FALSE_POSITIVE_BIOPSY = Parameter(
    {"first": 0.170, "later": 0.114},
    "probability",
    "biopsy after a false-positive recall",
    "Hubbard 2011 for the ratio; calibrated to PPV2",
)
WORKUP_DELAY = Parameter((21.0, 0.6), "days, log SD", "median days from recall to diagnosis")

# ---- records -------------------------------------------------------------------------------
REGISTRY_START = Parameter("1990-01-01", "date", "first diagnoses the registry holds")
REGISTRY_LAG = Parameter((60.0, 150.0), "days", "shortest lag, and mean of the rest")
UNLINKED = Parameter(0.03, "share", "registry rows that found no patient")
MISLINKED = Parameter(0.002, "share", "registry rows filed under another woman")
REGISTRY_SIZE_MISSING = Parameter(0.04, "share", "cancers without a recorded size")
SIZE_ERROR = Parameter(0.08, "log mm", "error of a recorded size")
MISSING = Parameter(
    {
        "race_ethnicity": 0.03,
        "family_history_n": 0.10,
        "menarche_age_years": 0.22,
        "menopausal_status": 0.08,
        "n_births": 0.14,
        "age_first_birth_years": 0.10,
        "n_biopsies": 0.08,
        "atypia": 0.25,
        "bmi": 0.18,
    },
    "share",
    "blank fields in the patient table",
)
BRCA_TESTED = Parameter({"carrier": 0.60, "other": 0.06}, "share", "women with a known BRCA result")


def parameter_table() -> pd.DataFrame:
    """List every constant of the world: name, value, unit, meaning, source.

    Returns
    -------
    DataFrame, one row a constant, in the order of this file.
    """
    rows = [
        {
            "name": name.lower(),
            "value": item.value,
            "unit": item.unit,
            "meaning": item.meaning,
            "source": item.source,
        }
        for name, item in globals().items()
        if isinstance(item, Parameter)
    ]
    return pd.DataFrame(rows)
