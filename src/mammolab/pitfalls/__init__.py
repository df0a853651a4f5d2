"""Ways to go wrong, each as a transformation of a table, and the guards that catch them."""
