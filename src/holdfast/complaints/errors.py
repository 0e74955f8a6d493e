"""The ways in which a complaint is refused."""

from holdfast.common.errors import NotFound, Refusal


class ComplaintUnknown(NotFound):
    """There is no such complaint of yours."""

    code = "complaint_unknown"


class TooManyComplaints(Refusal):
    """You have {open_max} open complaints about this booking, and that is the most. Wait until one of them is answered."""

    code = "too_many_complaints"
    status = 409


class ComplaintOpen(Refusal):
    """Nobody has looked into this complaint yet. Take it into review first."""

    code = "complaint_open"
    status = 409


class ComplaintInReview(Refusal):
    """This complaint is being looked into already. Close it when it is answered."""

    code = "complaint_in_review"
    status = 409


class ComplaintClosed(Refusal):
    """This complaint is answered and closed. The passenger can open another one."""

    code = "complaint_closed"
    status = 409
