"""Every check of an audit, in the order of the report."""

from mammolab.audit import checks_data, checks_label, checks_score
from mammolab.audit.run import Check

CHECKS: tuple[Check, ...] = (*checks_data.CHECKS, *checks_label.CHECKS, *checks_score.CHECKS)
GROUPS = tuple(dict.fromkeys(check.group for check in CHECKS))
# Red marks of all checks together on clean tables: benchmarks/audit_alarms.csv, which a test holds
# these against (the benchmarks are no part of the package).
CLEAN_TABLES, RED_ON_CLEAN_TABLES = 40, 6
BY_CHANCE = (
    "Each check may be red by chance on one clean table in twenty at most; a report of many checks "
    f"is red somewhere more often. On {CLEAN_TABLES} clean tables of the benchmark there were "
    f"{RED_ON_CLEAN_TABLES} red marks. One red that stands alone, barely beyond its limit, may be chance: "
    "look at its number and interval, and ask again of other data."
)
