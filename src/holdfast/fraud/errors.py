"""How what admins do with rules and reviews can be refused. How a payment is refused stands in ``payments/screening.py``."""

from holdfast.common.errors import NotFound, Refusal


class RuleUnknown(NotFound):
    """There is no such rule. It may have been deleted: read the list again."""

    code = "fraud_rule_unknown"


class TooManyRules(Refusal):
    """There are {rules_max} rules, and that is the most, since every payment is judged by all of them. Delete one first."""

    code = "too_many_fraud_rules"
    status = 409


class ReviewUnknown(NotFound):
    """There is no such review. Check the id."""

    code = "fraud_review_unknown"


class ReviewDecidedAlready(Refusal):
    """This review was decided already. What was decided holds for a day; after that the rule speaks again."""

    code = "fraud_review_decided"
    status = 409
