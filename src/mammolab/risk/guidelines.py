"""Risks from which guidelines ask for more than screening: one home for all that compares them.

At five years, 1.67%: from where the Gail model's risk is called high, after who could enter the
prevention trial NSABP P-1, whose report prints "at least 1.66%" (Fisher 1998,
doi:10.1093/jnci/90.18.1371; abstract read). 3%: who is offered risk-reducing drugs (US Preventive
Services Task Force 2019, doi:10.1001/jama.2019.11885; the figure read in a secondary text). Over
life, 20%: who is offered MRI (Saslow 2007, doi:10.3322/canjclin.57.2.75; abstract read: about 20 to
25% or more), which means models of family history rather than Gail.
"""

FIVE_YEAR_THRESHOLDS = (0.0167, 0.03)  # probability
LIFETIME_THRESHOLD = 0.20  # probability
