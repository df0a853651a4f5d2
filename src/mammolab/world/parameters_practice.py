"""Constants of the practice: hospitals, attendance, readers and records."""

from mammolab.world.constants import Parameter

# ---- hospitals and machines ----------------------------------------------------------------
SITE_SHARES = Parameter(
    {"north": 0.36, "harbour": 0.18, "valley": 0.22, "hill": 0.12, "delta": 0.12},
    "share",
    "women by hospital",
)
SITE_RACES = Parameter(
    {
        "north": (0.820, 0.056, 0.052, 0.054, 0.018),
        "harbour": (0.360, 0.457, 0.033, 0.110, 0.040),
        "valley": (0.720, 0.090, 0.070, 0.090, 0.030),
        "hill": (0.930, 0.015, 0.015, 0.025, 0.015),
        "delta": (0.430, 0.170, 0.160, 0.200, 0.040),
    },
    "share",
    "race and ethnicity by hospital, in the order of RACES",
    "McCarthy et al. for the first two hospitals (shares rounded to one); others: assumption",
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
        "hill": (
            ("alder", 2009, 2013, 1.00),
            ("cedar", 2014, 2016, 1.00),
        ),
        "delta": (
            ("birch", 2009, 2013, 0.60),
            ("cedar", 2009, 2013, 0.40),
            ("dogwood", 2014, 2016, 0.80),
            ("cedar", 2014, 2016, 0.20),
        ),
    },
    "share",
    "who had which machine when; tied to hospital and year, never to cancer",
)
PRESENT_AT_START = Parameter(0.50, "share", "women already with the hospital on the first day")
TENURE_BEFORE_START = Parameter(5.0, "years", "mean time with the hospital before the first day")
LEAVING_RATE = Parameter(0.045, "1/year", "mean rate of leaving the hospitals for good")
LEAVING_HEALTH = Parameter(
    0.40, "log rate per SD", "ill health on leaving: nursing homes, relatives, other insurers"
)
LAPSING_RATE = Parameter(0.006, "1/year", "mean rate of giving up screening, from age 40 on")
LAPSING_HEALTH = Parameter(0.80, "log rate per SD", "ill health on giving up screening")
MOVING_RATE = Parameter(
    0.020, "1/year", "rate of a woman's (only) move to another of the five hospitals"
)
LEAVES_STATE = Parameter(0.30, "share", "leavers who also leave the registry's area")

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
READERS = Parameter(
    {"north": 12, "harbour": 7, "valley": 8, "hill": 4, "delta": 5}, "readers", "panel by hospital"
)
READER_SENSITIVITY_SD = Parameter(
    0.40, "logit", "between readers", "from BCSC 2004-08 deciles 77.4-94.7%"
)
READER_SPECIFICITY_SD = Parameter(
    0.45, "logit", "between readers", "from BCSC 2004-08 deciles 84.6-95.6%"
)
READER_CORRELATION = Parameter(-0.3, "1", "between the two effects")
DETECTION_CEILING = Parameter(0.99, "probability", "best possible detection", "calibrated")
# log odds of marking a cancer = level + slope (its log CNR in the picture - that of the reference
# lesion by formula)
# + the shifts below
PERCEPT = Parameter(
    {
        "mass": (1.60, 5.5),
        "spiculated": (1.90, 5.5),
        "asymmetry": (1.10, 5.5),
        "calcification": (1.05, 2.0),
        "benign_mass": (0.65, 5.5),
        "benign_calcification": (0.55, 2.0),
    },
    "logit, logit per log CNR",
    "by look: log odds of noticing the reference lesion, and slope; levels hold what form tells",
    "26% at 5 mm, 91% at 10 mm (Weedon-Fekjaer 2008) for the order; calibrated",
)
PERCEPT_REFERENCE = Parameter(
    (10.0, -0.3, "alder"), "mm, SD, device", "the reference: diameter, latent density, machine"
)
PERCEPT_SIZE = Parameter(
    7.5,
    "logit per log(diameter / 10 mm)",
    "masses and asymmetries: distortion and two views, which a CNR in a small window leaves out",
    "calibrated to the sizes of screen-detected and interval cancers",
)
PERCEPT_DENSITY = Parameter(
    (0.0, 0.0, -0.3, -2.5),
    "logit",
    "distraction by dense tissue a-d beyond what it takes from the CNR",
    "calibrated to the detection odds of d against b of Kerlikowske 2018",
)
PERCEPT_PRIOR_FILM = Parameter(
    0.35, "logit", "growth against a prior film", "assumption, of the order of Hubbard 2011"
)
BIRADS_SHARES = Parameter(
    {
        "benign_by_habit": 0.15,
        "screen_5": 0.03,
        "screen_4": 0.05,
        "diagnostic_5": 0.60,
        "diagnostic_3": 0.50,
        "known_6": 0.30,
    },
    "share",
    "clear screens called 2 without a look-alike; recalled cancers called 5 or 4 at the screen; "
    "cancers called 5, others called 3, at a diagnostic exam; exams of a known cancer called 6",
)
COMPARABLE_YEARS = Parameter(3.0, "years", "older films are not hung beside the new ones")
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
FALSE_POSITIVE_SHIFT = Parameter(0.25, "logit", "shift of that table", "calibrated to 11.6% recall")
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
BENIGN_LOG_ODDS = Parameter(
    0.9, "log odds", "false positive where a benign look-alike is sure to be noticed"
)
FALSE_POSITIVE_BIOPSY = Parameter(
    {"first": 0.178, "later": 0.120},
    "probability",
    "biopsy after a false-positive recall",
    "Hubbard 2011 for the ratio; calibrated to PPV2",
)
AI_CRITERION = Parameter(
    0.80,
    "logit",
    "a reader who leans fully on AI recalls more by this with a flag, less without",
    "with AI_DEFERENCE: sensitivity on cancers the AI missed falls from 71 to 39%",
)
AI_DEFERENCE = Parameter(
    0.25,
    "probability",
    "such a reader takes the AI's word without looking",
    "assumption; with AI_CRITERION as above",
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

# ---- habits of selection, used where `WorldSettings.exclude` asks for them ------------------
SMALL_BREAST = Parameter(68.0, "mm", "chest wall to nipple; women below count as small-breasted")
POOR_FOLLOW_UP = Parameter(1.0, "years", "follow-up after an exam below this counts as poor")
