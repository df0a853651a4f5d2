"""`mammolab audit`: the guards as one command on any cohort table, with scores and images if given."""
