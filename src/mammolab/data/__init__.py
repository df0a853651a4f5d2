"""Real data in: raw exports, DICOM, cohort, outcomes, splits and the image store."""
