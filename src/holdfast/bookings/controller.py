"""Bookings over HTTP."""

from litestar import Controller, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from holdfast.bookings.boarding import Boarding
from holdfast.bookings.dto import BookingView, CancelBooking, CancellationView, ChangeBooking, ChangeView, CheckIn, HoldSeats, HoldView
from holdfast.bookings.errors import (
    BookingCancelledAlready,
    BookingConfirmedAlready,
    BookingPending,
    BookingUnknown,
    ChangeCostsMore,
    CheckedInAlready,
    HoldExpired,
    TooManyLiveHolds,
    TooManyUnpaidHolds,
)
from holdfast.bookings.models import BookingId
from holdfast.bookings.service import BookingService
from holdfast.bookings.states import BookingState
from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Invalid
from holdfast.common.guards import EXPRESS, provided, refusals, requires, tagged
from holdfast.common.ids import MalformedId
from holdfast.common.paging import PageRequest, PageView
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import KeyUsedForAnother, StillRunning
from holdfast.resources.gate import NotAdmitted
from holdfast.sessions.errors import SessionCancelledAlready, SessionClosedAlready, SessionUnknown, SoldOut
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import SessionId


class BookingController(Controller):
    path = "/bookings"
    tags = ("Bookings",)

    @post(
        "/hold",
        guards=[requires()],
        opt=EXPRESS,
        responses=refusals(
            SessionUnknown,
            SoldOut,
            SessionClosedAlready,
            SessionCancelledAlready,
            NotAdmitted,
            TooManyLiveHolds,
            TooManyUnpaidHolds,
            KeyUsedForAnother,
            StillRunning,
        ),
    )
    async def hold(
        self,
        data: JSONBody[HoldSeats],
        service: NamedDependency[BookingService],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> HoldView:
        """Hold 1 to 8 seats of a session for 5 minutes, to be paid for in that time."""
        return HoldView.of(await service.hold(actor, key, SESSION_KIND, data.session_id, data.seats_count))

    @post(
        "/{booking_id:str}/release",
        status_code=200,
        guards=[requires()],
        responses=refusals(BookingUnknown, BookingConfirmedAlready, BookingCancelledAlready, HoldExpired, KeyUsedForAnother, StillRunning),
    )
    async def release(
        self,
        booking_id: str,
        service: NamedDependency[BookingService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> BookingView:
        """Give unpaid seats back at once."""
        return BookingView.of(await service.release(actor, optional_key, BookingId.parse(booking_id)))

    @post(
        "/{booking_id:str}/cancel",
        status_code=200,
        guards=[requires()],
        responses=refusals(BookingUnknown, BookingCancelledAlready, CheckedInAlready, HoldExpired, KeyUsedForAnother, StillRunning),
    )
    async def cancel(
        self,
        booking_id: str,
        service: NamedDependency[BookingService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
        data: JSONBody[CancelBooking | None] = None,
    ) -> CancellationView:
        """Cancel a booking. The fare goes back until the session is closed, and nothing after that; the service fee is kept."""
        how = data or CancelBooking()
        cancelled = await service.cancel(
            actor, optional_key, BookingId.parse(booking_id), wants_refund=how.refund_requested, refund_to=how.refund_to
        )
        return CancellationView.of(cancelled)

    @post(
        "/{booking_id:str}/change",
        status_code=200,
        guards=[requires()],
        responses=refusals(
            BookingUnknown, BookingPending, BookingCancelledAlready, HoldExpired, SoldOut, SessionClosedAlready, SessionCancelledAlready,
            ChangeCostsMore, KeyUsedForAnother, StillRunning,
        ),
    )  # fmt: skip
    async def change(
        self,
        booking_id: str,
        data: JSONBody[ChangeBooking],
        service: NamedDependency[BookingService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> ChangeView:
        """Have fewer seats than you paid for: the fare of the others goes back. More are a booking of their own."""
        changed = await service.change(actor, optional_key, BookingId.parse(booking_id), data.seats_count)
        return ChangeView.of(changed)

    @get("/history", guards=[requires()])
    async def history(
        self,
        service: NamedDependency[BookingService],
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        status: BookingState | None = None,
    ) -> PageView[BookingView]:
        """Your bookings, newest first."""
        return PageView.of(await service.history(actor, status, page), page, BookingView.of)

    @get("/{booking_id:str}", guards=[requires()], responses=refusals(BookingUnknown))
    async def show(self, booking_id: str, service: NamedDependency[BookingService], actor: NamedDependency[Actor]) -> Response[BookingView]:
        """One of your bookings."""
        booking = await service.get(actor, BookingId.parse(booking_id))
        return tagged(BookingView.of(booking), booking.version)


class BoardingController(Controller):
    path = "/sessions"
    tags = ("Bookings",)

    @post(
        "/{session_id:str}/check-in",
        status_code=200,
        guards=[requires(Role.DRIVER, Role.ADMIN)],
        responses=refusals(
            BookingUnknown, BookingPending, BookingCancelledAlready, HoldExpired, CheckedInAlready, KeyUsedForAnother, StillRunning
        ),
    )
    async def check_in(
        self,
        session_id: str,
        data: JSONBody[CheckIn],
        boarding: NamedDependency[Boarding],
        actor: NamedDependency[Actor],
        key: NamedDependency[IdempotencyKey],
    ) -> Response[BookingView]:
        """The driver says that a passenger is on board. One who pays in cash has paid with it."""
        try:
            booking_id = BookingId.parse(data.booking_id)
        except MalformedId as error:
            raise Invalid(("bookingId", str(error))) from error
        boarded = await boarding.check_in(actor, key, SessionId.parse(session_id), booking_id)
        return tagged(BookingView.of(boarded), boarded.version)


def router(service: BookingService, boarding: Boarding) -> Router:
    return Router(
        path="/",
        route_handlers=[BookingController, BoardingController],
        dependencies={"service": provided(service), "boarding": provided(boarding)},
    )
