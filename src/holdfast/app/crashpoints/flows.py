"""The flows that are cut: what people ask, what gateways say and what the worker does, one act after the other."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

PASSENGER, OTHER_PASSENGER, DRIVER, ADMIN, OTHER_ADMIN = PEOPLE = ("passenger", "another passenger", "driver", "admin", "another admin")

HOLD_S = 3600
"""How long a hold lives here, in seconds."""


class Ask(Struct, frozen=True):
    """A person's request, repeated with its key until they know. ``{names}`` in it stand for what was answered before.

    ``keeps``: the name under which a field of its answer is known from then on. ``waits``: whether they ask until it is decided.
    """

    who: str
    path: str
    body: Mapping[str, object] = {}
    keeps: Mapping[str, str] = {}
    waits: bool = True


class Deliver(Struct, frozen=True):
    """The gateway sends what it has to say, again and again until it is taken."""


class TimePasses(Struct, frozen=True):
    """Nothing happens for so long."""

    seconds: int


class Work(Struct, frozen=True):
    """The worker does some of its steps, once."""

    steps: tuple[str, ...]


Act = Ask | Deliver | TimePasses | Work


class Flow(Struct, frozen=True):
    """``before`` makes the start, and is not cut. ``refused``: what there is of a few things where its last answer was a no."""

    name: str
    acts: Sequence[Act]
    before: Sequence[Act] = ()
    refused: Mapping[str, int] = {}


def _pay(*, waits: bool = True, **what: object) -> Ask:
    return Ask(PASSENGER, "/payments/pay", what, waits=waits)


SESSION = Ask(DRIVER, "/sessions/start", {"routeId": "{route}", "stationId": "{station}", "totalSeats": 14}, {"session": "id"})
HOLD = Ask(PASSENGER, "/bookings/hold", {"sessionId": "{session}", "seatsCount": 2}, {"booking": "bookingId"})
PAY = _pay(bookingId="{booking}", method="CARD", token="tok_success")  # noqa: S106 - a word that the sandbox knows.
TOP_UP = Ask(PASSENGER, "/wallet/top-ups", {"amount": 50.0}, {"top_up": "topUpId"})
FILL = _pay(topUpId="{top_up}", method="CARD", token="tok_success")  # noqa: S106

_NOTHING_TAKEN = {"payments FAILED": 1, "taken at the gateway": 0, "account GATEWAY": 0}

FLOWS = (
    Flow("hold", [HOLD], [SESSION]),
    Flow("pay by wallet", [_pay(bookingId="{booking}", method="WALLET")], [SESSION, TOP_UP, FILL, HOLD]),
    Flow("pay by gateway", [PAY], [SESSION, HOLD], {**_NOTHING_TAKEN, "bookings PENDING": 1, "units held": 2, "units sold": 0}),
    Flow(
        "webhook",
        [Deliver()],
        [SESSION, HOLD, _pay(waits=False, bookingId="{booking}", method="CARD", token="tok_late_webhook")],  # noqa: S106
    ),
    Flow("expire", [TimePasses(HOLD_S + 1), Work(("expiry",))], [SESSION, HOLD]),
    Flow("refund", [Ask(PASSENGER, "/bookings/{booking}/cancel"), Work(("refunds",))], [SESSION, HOLD, PAY]),
    Flow(
        "cancel session",
        [
            Ask(DRIVER, "/sessions/{session}/cancel", {"reason": "The engine does not start."}),
            Work(("bookings.calling_off",)),
            Work(("refunds",)),
        ],
        [SESSION, HOLD, PAY, Ask(OTHER_PASSENGER, "/bookings/hold", {"sessionId": "{session}", "seatsCount": 1})],
    ),
    Flow(
        "payout",
        [
            Ask(DRIVER, "/payouts", {"sessionId": "{session}"}, {"payout": "id"}),
            Ask(ADMIN, "/payouts/{payout}/approve"),
            Ask(OTHER_ADMIN, "/payouts/{payout}/pay"),
        ],
        [SESSION, HOLD, PAY, Ask(DRIVER, "/sessions/{session}/close")],
    ),
    Flow("top-up", [TOP_UP, FILL], refused={**_NOTHING_TAKEN, "top-ups filled false": 1}),
)
