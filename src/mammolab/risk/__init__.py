"""Five-year risk: the Gail model, risk factors in a Cox model, and both together with the image."""
