"""How things about drivers are refused."""

from holdfast.common.errors import NotFound, Refusal


class DriverUnknown(NotFound):
    """There is no such driver. Check the id."""

    code = "driver_unknown"


class NotApplied(NotFound):
    """You have not applied to be a driver. Apply at /drivers/apply."""

    code = "not_applied"


class ApplicationPending(Refusal):
    """This application is waiting for an admin's decision already."""

    code = "application_pending"
    status = 409


class DriverApproved(Refusal):
    """This driver is approved already."""

    code = "driver_approved"
    status = 409


class DriverRejected(Refusal):
    """This application was rejected already. Its driver may apply again at /drivers/apply."""

    code = "driver_rejected"
    status = 409


class OtherRole(Refusal):
    """Only passengers can become drivers: this account is a {role}'s. Use another phone for driving."""

    code = "other_role"
    status = 409
