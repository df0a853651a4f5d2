"""Every check of an audit, in the order of the report."""

from mammolab.audit import checks_data, checks_label, checks_score
from mammolab.audit.run import Check

CHECKS: tuple[Check, ...] = (*checks_data.CHECKS, *checks_label.CHECKS, *checks_score.CHECKS)
GROUPS = tuple(dict.fromkeys(check.group for check in CHECKS))
