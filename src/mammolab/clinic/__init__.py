"""`mammolab triage`: a hospital's own scores, calibrated, cut and tried on its own record."""
