"""Where a network looks: attribution maps, held against what is known to be in the image."""
