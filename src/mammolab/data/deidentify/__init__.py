"""De-identification of a hospital's mammograms and tables, and the test that nothing leaked."""
