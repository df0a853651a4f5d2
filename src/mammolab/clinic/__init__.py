"""`mammolab triage`: a hospital's own scores calibrated, thresholded and tried on its own record."""
