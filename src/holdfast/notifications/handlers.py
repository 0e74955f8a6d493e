"""Who is told what about which event: a table, and the consumer of the event log that writes it down.

To tell people about another event, write its builder and add its line to ``NOTICES``.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from holdfast import events
from holdfast.bookings.events import BookingCancelled, BookingConfirmed, BookingEvent, BookingExpired
from holdfast.bookings.models import PAYABLE_KIND, BookingId
from holdfast.bookings.states import EndReason
from holdfast.clearing.events import DifferenceOverdue
from holdfast.complaints.events import ComplaintAnswered
from holdfast.complaints.states import ComplaintState
from holdfast.database import Tx
from holdfast.drivers.events import DriverApprovedByAdmin, DriverRejectedByAdmin
from holdfast.events import Event, Recorded
from holdfast.fraud.events import FraudReviewDecided
from holdfast.fraud.states import ReviewState
from holdfast.notifications import repository
from holdfast.notifications.events import NotificationCreated
from holdfast.notifications.models import Addressed, Notice, NotificationType, Payload
from holdfast.payments.disputes.events import DisputeLost, PaymentDisputed
from holdfast.payments.events import PaymentEvent, PaymentFailed, PaymentRefunded, RefundDeclined
from holdfast.payouts.accounts.events import PayoutAccountChanged
from holdfast.payouts.events import PayoutApproved, PayoutEvent, PayoutPaid, PayoutRejected, PayoutReturned
from holdfast.sessions.events import SessionEvent, SessionFull, SessionReopened
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import SessionId

E = TypeVar("E", bound=Event)
Build = Callable[[E], Iterable[Notice]]


def booking_confirmed(event: BookingConfirmed) -> Iterable[Notice]:
    type_ = NotificationType.BOOKING_CONFIRMED_LATE if event.retaken else NotificationType.BOOKING_CONFIRMED
    yield Notice(event.customer_id, type_, _booked(event))


def booking_expired(event: BookingExpired) -> Iterable[Notice]:
    yield Notice(event.customer_id, NotificationType.BOOKING_EXPIRED, _booked(event))


def booking_cancelled(event: BookingCancelled) -> Iterable[Notice]:
    """Whoever gave an unpaid hold back knows it."""
    if event.reason is EndReason.CALLED_OFF:
        yield Notice(event.customer_id, NotificationType.SESSION_CANCELLED, _booked(event))
    elif event.was_confirmed:
        yield Notice(event.customer_id, NotificationType.BOOKING_CANCELLED, _booked(event))


def payment_failed(event: PaymentFailed) -> Iterable[Notice]:
    yield Notice(event.payer_id, NotificationType.PAYMENT_REFUSED, _paid(event))


def payment_refunded(event: PaymentRefunded) -> Iterable[Notice]:
    yield Notice(event.payer_id, NotificationType.PAYMENT_REFUNDED, _paid(event, reason=event.reason))


def refund_declined(event: RefundDeclined) -> Iterable[Notice]:
    yield Notice(event.payer_id, NotificationType.REFUND_DECLINED, _paid(event, reason=event.reason))


def payment_disputed(event: PaymentDisputed) -> Iterable[Notice]:
    yield Notice(None, NotificationType.PAYMENT_DISPUTED, _paid(event))


def dispute_lost(event: DisputeLost) -> Iterable[Notice]:
    yield Notice(None, NotificationType.DISPUTE_LOST, _paid(event))


def difference_overdue(event: DifferenceOverdue) -> Iterable[Notice]:
    yield Notice(None, NotificationType.DIFFERENCE_OVERDUE, Payload(reason=event.kind.value))


def fraud_review_decided(event: FraudReviewDecided) -> Iterable[Notice]:
    is_allowed = event.state is ReviewState.ALLOWED
    is_booking = event.payable_kind == PAYABLE_KIND
    about = Payload(booking_id=BookingId.of(event.payable_id) if is_booking else None, amount=event.amount)
    yield Notice(event.user_id, NotificationType.PAYMENT_ALLOWED if is_allowed else NotificationType.PAYMENT_DENIED, about)


def session_full(event: SessionFull) -> Iterable[Notice]:
    yield Notice(event.driver_id, NotificationType.SESSION_FULL, _waiting(event, quantity=event.total_seats))


def session_reopened(event: SessionReopened) -> Iterable[Notice]:
    yield Notice(event.driver_id, NotificationType.SEATS_CAME_BACK, _waiting(event, quantity=event.available_seats))


def payout_approved(event: PayoutApproved) -> Iterable[Notice]:
    """Where nothing is left to be paid, the one that says so follows at once."""
    if event.amount.minor:
        yield Notice(event.driver_id, NotificationType.PAYOUT_APPROVED, _earned(event))


def payout_paid(event: PayoutPaid) -> Iterable[Notice]:
    yield Notice(event.driver_id, NotificationType.PAYOUT_PAID if event.amount.minor else NotificationType.PAYOUT_SET_OFF, _earned(event))


def payout_returned(event: PayoutReturned) -> Iterable[Notice]:
    yield Notice(event.driver_id, NotificationType.PAYOUT_RETURNED, _earned(event))


def payout_account_changed(event: PayoutAccountChanged) -> Iterable[Notice]:
    """Also whoever did not change it has to hear of it."""
    yield Notice(event.payee_id, NotificationType.PAYOUT_ACCOUNT_CHANGED, Payload())


def payout_rejected(event: PayoutRejected) -> Iterable[Notice]:
    yield Notice(event.driver_id, NotificationType.PAYOUT_REJECTED, _earned(event))


def driver_approved(event: DriverApprovedByAdmin) -> Iterable[Notice]:
    yield Notice(event.user_id, NotificationType.DRIVER_APPROVED, Payload())


def driver_rejected(event: DriverRejectedByAdmin) -> Iterable[Notice]:
    yield Notice(event.user_id, NotificationType.DRIVER_REJECTED, Payload())


def complaint_answered(event: ComplaintAnswered) -> Iterable[Notice]:
    about = Payload(complaint_id=event.complaint_id, booking_id=event.booking_id)
    is_closed = event.status is ComplaintState.CLOSED
    yield Notice(event.user_id, NotificationType.COMPLAINT_ANSWERED if is_closed else NotificationType.COMPLAINT_IN_REVIEW, about)


class Notices:
    """Builders by the class of event."""

    def __init__(self) -> None:
        self._builders: dict[type[Event], Build[Event]] = {}

    def add(self, event: type[E], build: Build[E]) -> None:
        self._builders[event] = build  # type: ignore[assignment]  # Called with that class only.

    @property
    def events(self) -> frozenset[type[Event]]:
        """Those that somebody is told about."""
        return frozenset(self._builders)

    def about(self, recorded: Recorded) -> Sequence[Notice]:
        return list(self._builders[type(recorded.event)](recorded.event))


NOTICES = Notices()
NOTICES.add(BookingConfirmed, booking_confirmed)
NOTICES.add(BookingExpired, booking_expired)
NOTICES.add(BookingCancelled, booking_cancelled)
NOTICES.add(PaymentFailed, payment_failed)
NOTICES.add(PaymentRefunded, payment_refunded)
NOTICES.add(RefundDeclined, refund_declined)
NOTICES.add(PaymentDisputed, payment_disputed)
NOTICES.add(DisputeLost, dispute_lost)
NOTICES.add(DifferenceOverdue, difference_overdue)
NOTICES.add(FraudReviewDecided, fraud_review_decided)
NOTICES.add(SessionFull, session_full)
NOTICES.add(SessionReopened, session_reopened)
NOTICES.add(PayoutApproved, payout_approved)
NOTICES.add(PayoutPaid, payout_paid)
NOTICES.add(PayoutRejected, payout_rejected)
NOTICES.add(PayoutReturned, payout_returned)
NOTICES.add(PayoutAccountChanged, payout_account_changed)
NOTICES.add(DriverApprovedByAdmin, driver_approved)
NOTICES.add(DriverRejectedByAdmin, driver_rejected)
NOTICES.add(ComplaintAnswered, complaint_answered)


class NotificationConsumer:
    """Writes notifications from the event log, each once, and announces them in the same commit."""

    name = "notifications"

    def __init__(self, notices: Notices = NOTICES) -> None:
        self._notices = notices
        self.wants = notices.events

    async def consume(self, tx: Tx, recorded: Sequence[Recorded]) -> None:
        added = await repository.add(tx, [Addressed(each.id, notice) for each in recorded for notice in self._notices.about(each)])
        await events.publish(
            tx, [NotificationCreated(notification_id=each.id, user_id=each.user_id, type=each.type, version=1) for each in added]
        )


def _booked(event: BookingEvent) -> Payload:
    is_session = event.kind == SESSION_KIND
    return Payload(booking_id=event.booking_id, session_id=SessionId.of(event.owner_id) if is_session else None, quantity=event.quantity)


def _paid(event: PaymentEvent, *, reason: str | None = None) -> Payload:
    is_booking = event.payable_kind == PAYABLE_KIND
    return Payload(
        payment_id=event.payment_id,
        booking_id=BookingId.of(event.payable_id) if is_booking else None,
        amount=event.amount,
        reason=reason,
    )


def _earned(event: PayoutEvent) -> Payload:
    return Payload(payout_id=event.payout_id, session_id=event.session_id, amount=event.amount)


def _waiting(event: SessionEvent, *, quantity: int) -> Payload:
    return Payload(session_id=event.session_id, quantity=quantity)
