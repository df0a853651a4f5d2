"""Statistics on arrays: no file, no network, no table, no chapter is known here.

Where to look:

====================================== =========================================================
discrimination                         roc, delong, auc_bootstrap, curves
rates of a decision                    rates, decision_curve (net benefit)
probabilities                          calibration (fits), calibrators (maps and their JSON),
                                       reliability (Brier, bins, slope), calibration_error
rule-out and rule-in                   thresholds (chosen on dev), triage (simulated on test),
                                       promises (how sure both are), pathways (other ways to use
                                       a score), criterion (readers who change)
two ways of reading the same cancers   paired
follow-up                              survival, concordance, horizons, horizon_calibration,
                                       concordance_variants (what else is called a C-index)
risk of cancer within years            risk_discrimination, risk_subgroups, risk_groups (deciles,
                                       capture), risk_grid, reclassification
readers                                readers, mrmc, agreement (kappa), intraclass, laboratory,
                                       reader_criterion, reader_triage, double_reading
worklists                              queue, turnaround, worklist (two orders compared)
after deployment                       monitor (drift of scores), cusum, calibration_drift
subgroups and many comparisons         subgroups, gaps (each against everyone else, with power),
                                       multiplicity
uncertainty                            resampling (the patient bootstrap)
====================================== =========================================================

Conventions: a higher score is more suspicious; `label` is True for cancer; tied scores count half;
`sample_weight` is an inverse sampling probability; patients, not exams, are the independent units.
Functions that resample take `patient_ids, sample_weight, bootstrap` in this order.
"""

from mammolab.evaluate.checks import Estimate

__all__ = ["Estimate"]
