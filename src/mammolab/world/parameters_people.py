"""Constants of the women: risk factors, health, breasts, density, and what they do to risk."""

from mammolab.world.constants import Parameter

# ---- risk factors --------------------------------------------------------------------------
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

HEALTH_LOG_RR = Parameter(
    0.70,
    "log rate per SD",
    "ill health on death of other causes; the mean rate stays the table's",
    "assumption, about 4-fold between the healthiest and the illest fifth",
)

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
    0.5,
    "log RR per log kg/m2",
    "body-mass index of women aged 50 on joining",
    "assumption, 1.10 per 5 kg/m2",
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
POLYGENIC_LOG_RR = Parameter(
    {"white": 0.476, "black": 0.239, "asian": 0.40, "hispanic": 0.41, "other": 0.40},
    "log RR per SD",
    "polygenic score by race; hidden, in no record",
    "OR 1.61 (AUC .630) and, African ancestry, 1.27 (AUC .571); the other three: assumption",
)
