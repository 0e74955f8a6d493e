"""Paymob, against the server of our own in ``paymob_server.py`` that speaks the documented shapes. Nothing here ran against Paymob."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from tests.gateways.counter import open_counter
from tests.gateways.paymob_server import INQUIRY, REFUND, PaymobServer, text_to_sign
from tests.gateways.server import Control, Delivery, control
from tests.payments.test_refunds import give_back
from tests.payments.till import SOLD, Thing, Till, fresh_key, until
from tests.servers import serving

from holdfast.common.actor import Actor, Role
from holdfast.common.money import Amount, egp
from holdfast.database import Database
from holdfast.payments.gateway import Captured, Declined, ForgedWebhook, GatewayDown, Known, PaymentNews, Pending, Refunded, Unknown
from holdfast.payments.gateways.paymob import PAGE_LIVES, STRAGGLERS, Contact, PaymobGateway, PaymobKeys
from holdfast.payments.models import Method, PaymentId, RefundId
from holdfast.payments.settling import PaymentAnswer
from holdfast.payments.states import PaymentState, RefundState

KEYS = PaymobKeys("egy_sk_test_of_nobody", "egy_pk_test_of_nobody", "hmac of nobody", "api key of nobody")
CONTACT = Contact("+20 2 1234 5678", "pay@holdfast.example")
CARDS, WALLETS = 4097558, 4097559
RETURN_URL = "https://holdfast.example/paid"
TIMEOUT_S, SILENCE_S = 1.0, 2.0


@dataclass
class Paymob:
    """The gateway, and the other side that it talks to."""

    gateway: PaymobGateway
    server: PaymobServer

    async def page(self, source: str = "card", payment: PaymentId | None = None) -> tuple[PaymentId, Pending]:
        payment = payment or PaymentId.new()
        outcome = await self.gateway.charge(payment, egp(31), source, RETURN_URL)
        assert isinstance(outcome, Pending)
        return payment, outcome

    async def paid(self) -> tuple[PaymentId, Known]:
        """A payment that was captured, and what our books know of it then."""
        payment, shown = await self.page()
        return payment, Known(str(self.server.pay(shown.next_action or "")["id"]))


@asynccontextmanager
async def opened(*, refund_answers_within_s: float = 0.0) -> AsyncIterator[Paymob]:
    server = PaymobServer(KEYS.secret, KEYS.public, KEYS.hmac, KEYS.api, frozenset({CARDS, WALLETS}), silence_s=SILENCE_S)
    async with serving(server) as url:
        gateway = PaymobGateway(
            url,
            KEYS,
            {Method.CARD: CARDS, Method.MOBILE_WALLET: WALLETS},
            CONTACT,
            callback_url="https://holdfast.example/api/v1/webhooks/gateways/paymob",
            timeout_s=TIMEOUT_S,
            refund_answers_within_s=refund_answers_within_s,
        )
        yield Paymob(gateway, server)
        await gateway.close()


@pytest.fixture
async def paymob() -> AsyncIterator[Paymob]:
    async with opened() as ready:
        yield ready


def long_ago(*, minutes: float = 0, days: float = 0) -> int:
    """The bits of an id that was made so long ago."""
    made_at = int((datetime.now(UTC).timestamp() - minutes * 60 - days * 86_400) * 1000)
    return made_at << 80 | PaymentId.new().int & (1 << 80) - 1


async def test_success_on_the_page(paymob: Paymob) -> None:
    payment, shown = await paymob.page()
    assert await paymob.gateway.find(payment, Known(shown.reference)) == Pending(shown.reference)
    transaction = paymob.server.pay(shown.next_action or "")
    assert await paymob.gateway.find(payment, Known(shown.reference)) == Captured(egp(31), str(transaction["id"]))
    paymob.server.is_wrapped = True
    assert await paymob.gateway.find(payment, Known(shown.reference)) == Captured(egp(31), str(transaction["id"]))


async def test_it_is_driven_from_another_process_too(paymob: Paymob) -> None:
    payment, shown = await paymob.page()
    page = shown.next_action or ""
    await control(page.partition("/unifiedcheckout")[0], Control(happens="pay", about=page))
    assert isinstance(await paymob.gateway.find(payment, Known(shown.reference)), Captured)


@pytest.mark.parametrize(
    ("source", "methods", "tokens"), [("card", [CARDS], None), ("wallet", [WALLETS], None), ("e5f0c1", [CARDS], ["e5f0c1"])]
)
async def test_a_source_is_a_method_or_a_card_that_paymob_keeps(
    paymob: Paymob, source: str, methods: list[int], tokens: list[str] | None
) -> None:
    payment, shown = await paymob.page(source)
    asked = paymob.server.asked_for(shown.next_action or "")
    assert (asked["payment_methods"], asked.get("card_tokens")) == (methods, tokens)
    assert (asked["special_reference"], asked["amount"], asked["redirection_url"]) == (str(payment), 3100, RETURN_URL)
    # Nothing of the payer is handed on.
    assert asked["billing_data"] == {"first_name": "NA", "last_name": "NA", "phone_number": CONTACT.phone, "email": CONTACT.email}


@pytest.mark.parametrize("amount", [Amount("KWD", 1_230), Amount("JPY", 501)], ids=str)
async def test_currencies_without_two_decimals_are_not_taken(paymob: Paymob, amount: Amount) -> None:
    assert await paymob.gateway.charge(PaymentId.new(), amount, "card", None) == Declined("currency_not_taken")


@pytest.mark.parametrize(("word", "reason"), [("INSUFFICIENT_FUNDS", "insufficient_funds"), ("4111111111111111 IS BAD", "declined")])
async def test_declined_in_words_of_ours(paymob: Paymob, word: str, reason: str) -> None:
    payment, shown = await paymob.page()
    paymob.server.decline_next(word)
    transaction = paymob.server.pay(shown.next_action or "")
    assert await paymob.gateway.find(payment, Known(shown.reference)) == Declined(reason, str(transaction["id"]))
    # The page lives on: who pays on it after all has paid.
    again = paymob.server.pay(shown.next_action or "")
    assert await paymob.gateway.find(payment, Known(shown.reference)) == Captured(egp(31), str(again["id"]))


async def test_a_decline_that_came_after_the_money_is_not_believed(paymob: Paymob) -> None:
    payment, shown = await paymob.page()
    paid = paymob.server.pay(shown.next_action or "")
    paymob.server.pay(shown.next_action or "", decline="DECLINED")
    assert isinstance(await paymob.gateway.find(payment, Known(shown.reference)), Unknown)
    assert await paymob.gateway.find(payment, Known(str(paid["id"]))) == Captured(egp(31), str(paid["id"]))


async def test_late(paymob: Paymob) -> None:
    payment, shown = await paymob.page()
    transaction = paymob.server.pay(shown.next_action or "", is_pending=True)
    assert await paymob.gateway.find(payment, Known(shown.reference)) == Pending()
    paymob.server.decide(transaction, is_paid=True)
    assert await paymob.gateway.find(payment, Known(shown.reference)) == Captured(egp(31), str(transaction["id"]))


@pytest.mark.parametrize("how", ["timeout", "error", "too many"])
async def test_a_page_that_nobody_was_shown_takes_nothing(paymob: Paymob, how: str) -> None:
    """Timeout though done, 500 that did it, 429: nobody has its address, so another page may be made, and only that one is paid on."""
    payment = PaymentId.new()
    match how:
        case "timeout":
            await paymob.server.time_out_next_though_done()
        case "error":
            await paymob.server.fail_next_though_done()
        case _:
            await paymob.server.rate_limit_next()
    assert isinstance(await paymob.gateway.charge(payment, egp(31), "card", None), Unknown)
    assert await paymob.gateway.find(payment) is None
    _, shown = await paymob.page(payment=payment)
    transaction = paymob.server.pay(shown.next_action or "")
    assert await paymob.gateway.find(payment, Known(shown.reference)) == Captured(egp(31), str(transaction["id"]))


async def test_a_page_that_has_ended_without_money_is_none(paymob: Paymob) -> None:
    old = PaymentId.of(UUID(int=long_ago(minutes=(PAGE_LIVES + STRAGGLERS).total_seconds() / 60 + 1)))
    young = PaymentId.of(UUID(int=long_ago(minutes=PAGE_LIVES.total_seconds() / 60 + 1)))
    for payment, expected in ((old, None), (young, Pending("pi_test_1"))):
        assert await paymob.gateway.find(payment, Known("pi_test_1")) == expected


@pytest.mark.parametrize("path", [INQUIRY, "POST /api/auth/tokens"])
async def test_an_inquiry_without_an_answer_is_unknown(paymob: Paymob, path: str) -> None:
    payment, shown = await paymob.page()
    paymob.server.pay(shown.next_action or "")
    await paymob.server.time_out_next_though_done(path)
    await paymob.server.fail_next_though_done(path)
    await paymob.server.rate_limit_next(path)
    for _ in range(3):
        assert isinstance(await paymob.gateway.find(payment, Known(shown.reference)), Unknown)
    assert isinstance(await paymob.gateway.find(payment, Known(shown.reference)), Captured)


async def test_a_token_that_was_taken_back_is_fetched_anew(paymob: Paymob) -> None:
    payment, known = await paymob.paid()
    assert isinstance(await paymob.gateway.find(payment, known), Captured)
    paymob.server.revoke_tokens()
    assert isinstance(await paymob.gateway.find(payment, known), Captured)


async def test_another_payments_transaction_is_not_believed(paymob: Paymob) -> None:
    _, known = await paymob.paid()
    assert isinstance(await paymob.gateway.find(PaymentId.new(), known), Unknown)
    assert isinstance(await paymob.gateway.refund(RefundId.new(), PaymentId.new(), egp(1), known), Unknown)


async def test_partial_refunds_up_to_all_and_no_further(paymob: Paymob) -> None:
    payment, known = await paymob.paid()
    given_back = 0
    for amount in (egp(10), egp(10), egp(11)):
        refund = RefundId.new()
        books = Known(known.reference, given_back)
        assert isinstance(await paymob.gateway.refund(refund, payment, amount, books), Refunded)
        # Repeating it, because the answer was lost here, gives nothing back again.
        assert isinstance(await paymob.gateway.refund(refund, payment, amount, books), Refunded)
        given_back += amount.minor
    assert await paymob.gateway.refund(RefundId.new(), payment, egp(1), Known(known.reference, given_back)) == Declined("not_refundable")
    assert paymob.server.given_back == [1000, 1000, 1100]
    # What was charged is found behind its refunds; all of it is gone again.
    assert isinstance(await paymob.gateway.find(payment, Known("pi_test_1")), Declined)


async def test_a_refund_waits_for_the_one_before_and_for_books_that_agree(paymob: Paymob) -> None:
    payment, known = await paymob.paid()
    assert isinstance(await paymob.gateway.refund(RefundId.new(), payment, egp(1), Known(known.reference, None)), Unknown)
    assert isinstance(await paymob.gateway.refund(RefundId.new(), payment, egp(1), Known(known.reference, 500)), Unknown)
    assert isinstance(await paymob.gateway.refund(RefundId.new(), payment, egp(1), Known("pi_test_1")), Unknown)
    assert paymob.server.given_back == []
    # The control: of two refunds of one amount, the second is taken for the first by books that do not say that one is under way.
    for _ in range(2):
        assert isinstance(await paymob.gateway.refund(RefundId.new(), payment, egp(1), known), Refunded)
    assert paymob.server.given_back == [100]


async def test_a_refund_that_fails(paymob: Paymob) -> None:
    payment, known = await paymob.paid()
    paymob.server.fail_next_refund()
    outcome = await paymob.gateway.refund(RefundId.new(), payment, egp(31), known)
    assert isinstance(outcome, Declined)
    assert outcome.reason == "refund_not_possible"
    assert paymob.server.given_back == []


@pytest.mark.parametrize("how", ["timeout", "error"])
async def test_a_refund_done_without_an_answer_is_known_by_repeating_it(paymob: Paymob, how: str) -> None:
    payment, known = await paymob.paid()
    refund = RefundId.new()
    await (paymob.server.time_out_next_though_done(REFUND) if how == "timeout" else paymob.server.fail_next_though_done(REFUND))
    assert isinstance(await paymob.gateway.refund(refund, payment, egp(10), known), Unknown)
    assert isinstance(await paymob.gateway.refund(refund, payment, egp(10), known), Refunded)
    assert paymob.server.given_back == [1000]


async def test_a_refund_that_was_not_answered_is_not_sent_again_for_a_while() -> None:
    """Paymob may still be doing it. The control is a gateway that does not wait."""
    for waits_s, sent in ((60.0, []), (0.0, [1000])):
        async with opened(refund_answers_within_s=waits_s) as paymob:
            payment, known = await paymob.paid()
            refund = RefundId.new()
            await paymob.server.rate_limit_next(REFUND)
            for _ in range(2):
                await paymob.gateway.refund(refund, payment, egp(10), known)
            assert paymob.server.given_back == sent


async def test_the_hmac_is_that_of_the_documentation(paymob: Paymob) -> None:
    """The worked example of Paymob's page on HMAC, so that our server and our gateway do not merely agree with each other."""
    documented = {
        "amount_cents": 100000, "created_at": "2024-06-13T11:33:44.592345", "currency": "EGP", "error_occured": False,
        "has_parent_transaction": False, "id": 192036465, "integration_id": 4097558, "is_3d_secure": True, "is_auth": False,
        "is_capture": False, "is_refunded": False, "is_standalone_payment": True, "is_voided": False, "owner": 302852, "pending": False,
        "order": {"id": 217503754}, "source_data": {"pan": "2346", "sub_type": "MasterCard", "type": "card"}, "success": True,
    }  # fmt: skip
    text = (
        "1000002024-06-13T11:33:44.592345EGPfalsefalse1920364654097558truefalsefalsefalsetruefalse"
        "217503754302852false2346MasterCardcardtrue"
    )
    assert text_to_sign(documented) == text
    signature = hmac.digest(KEYS.hmac.encode(), text.encode(), "sha512").hex()
    body = msgspec.json.encode({"type": "TRANSACTION", "obj": documented})
    (message,) = paymob.gateway.read_webhook({":path": f"/?hmac={signature.upper()}"}, body)
    assert (message.event_id, message.facts) == (signature, ())


async def test_forged_webhook(paymob: Paymob) -> None:
    payment, shown = await paymob.page()
    transaction = paymob.server.pay(shown.next_action or "", decline="DECLINED")
    headers, body = paymob.server.callback(transaction)
    (message,) = paymob.gateway.read_webhook(headers, body)
    assert message.facts == (PaymentNews(payment, str(transaction["id"])),)
    for changed in (
        paymob.server.callback(transaction, changed={"success": True}),
        paymob.server.callback(transaction, changed={"amount_cents": 1}),
        paymob.server.callback(transaction, secret="another"),
        (headers, body.replace(b"TRANSACTION", b"TOKEN")),
        ({}, body),
        (headers, b"{}"),
    ):
        with pytest.raises(ForgedWebhook):
            paymob.gateway.read_webhook(*changed)


async def test_paymob_tells_no_list(paymob: Paymob) -> None:
    with pytest.raises(GatewayDown):
        await anext(aiter(paymob.gateway.list_settled(datetime.now(UTC))))


async def test_a_gateway_that_is_away_is_unknown_and_raises_nothing() -> None:
    away = PaymobGateway("http://127.0.0.1:1", KEYS, {Method.CARD: CARDS}, CONTACT, timeout_s=TIMEOUT_S)
    assert isinstance(await away.charge(PaymentId.new(), egp(31), "card", None), Unknown)
    assert isinstance(await away.find(PaymentId.new(), Known("pi_test_1")), Unknown)
    assert isinstance(await away.refund(RefundId.new(), PaymentId.new(), egp(1), Known("1")), Unknown)
    await away.close()


# In the whole program: what comes in over our edge.


@dataclass
class Counter:
    till: Till
    paymob: Paymob

    async def pay(self, thing: Thing) -> PaymentAnswer:
        payer = Actor(thing.payer_id, Role.PASSENGER)
        return await self.till.payments.service.pay(payer, fresh_key(), (SOLD, thing.id), Method.CARD, "card")

    async def told(self, transaction: dict[str, object], **changes: object) -> None:
        url = f"{self.till.url}/api/v1/webhooks/gateways/paymob"
        await self.paymob.server.send_webhook(url, transaction, **changes)

    async def status(self, payment: PaymentId) -> PaymentState:
        return (await self.till.payment(payment)).status


@pytest.fixture
async def counter(database: Database, owner: Database, paymob: Paymob) -> AsyncIterator[Counter]:
    async with open_counter(database, owner, paymob.gateway, return_url=RETURN_URL) as till:
        yield Counter(till, paymob)


@pytest.mark.parametrize("delivery", [Delivery.ONCE, Delivery.TWICE_AND_UNDER_ANOTHER_ID])
async def test_a_callback_makes_us_ask_and_the_seat_is_sold_once(counter: Counter, delivery: Delivery) -> None:
    thing = await counter.till.thing()
    begun = (await counter.pay(thing)).payment
    assert (begun.status, begun.next_action is not None) == (PaymentState.INITIATED, True)
    counter.paymob.server.delivery = delivery
    await counter.told(counter.paymob.server.pay(begun.next_action or ""))
    assert await counter.status(begun.id) is PaymentState.SUCCESS
    assert (await counter.till.now(thing.id)).sold == 1
    assert await counter.till.value("SELECT count(*) FROM gateway_webhooks") == 1
    await counter.till.check_books()


async def test_a_lost_callback_is_found_by_asking(counter: Counter) -> None:
    thing = await counter.till.thing()
    begun = (await counter.pay(thing)).payment
    counter.paymob.server.pay(begun.next_action or "")
    counter.till.work()

    async def is_sold() -> bool:
        return (await counter.till.now(thing.id)).sold == 1

    await until(is_sold)


async def test_money_that_comes_after_a_decline_still_counts(counter: Counter) -> None:
    thing = await counter.till.thing()
    begun = (await counter.pay(thing)).payment
    await counter.told(counter.paymob.server.pay(begun.next_action or "", decline="INSUFFICIENT_FUNDS"))
    assert await counter.status(begun.id) is PaymentState.FAILED
    await counter.told(counter.paymob.server.pay(begun.next_action or ""))
    assert await counter.status(begun.id) is PaymentState.SUCCESS


async def test_a_genuine_callback_aimed_at_another_payment_confirms_nothing(counter: Counter) -> None:
    """Our id is not signed, and payers see the HMAC: who paid once must not have two bookings of that price for it."""
    mine, other = await counter.till.thing(), await counter.till.thing()
    paid, unpaid = (await counter.pay(mine)).payment, (await counter.pay(other)).payment
    transaction = counter.paymob.server.pay(paid.next_action or "")
    aimed = {**transaction["order"], "merchant_order_id": str(unpaid.id)}
    await counter.told(transaction, changed={"order": aimed})
    await counter.told(transaction)
    assert (await counter.till.now(other.id)).sold == 0
    assert await counter.status(unpaid.id) is PaymentState.INITIATED
    # The genuine one was taken for a repetition of the forged one. Nothing is lost by it: the worker asks.
    counter.till.work()

    async def is_sold() -> bool:
        return (await counter.till.now(mine.id)).sold == 1

    await until(is_sold)
    assert (await counter.till.now(other.id)).sold == 0


async def test_a_callback_that_cannot_be_followed_up_now_waits(counter: Counter) -> None:
    thing = await counter.till.thing()
    begun = (await counter.pay(thing)).payment
    transaction = counter.paymob.server.pay(begun.next_action or "")
    await counter.paymob.server.fail_next_though_done(f"GET /api/acceptance/transactions/{transaction['id']}")
    await counter.told(transaction)
    assert await counter.status(begun.id) is PaymentState.INITIATED
    assert await counter.till.value("SELECT count(*) FROM gateway_webhooks WHERE applied_at IS NULL") == 1


async def test_two_refunds_of_one_amount_are_both_given_back(counter: Counter) -> None:
    """The second must not be taken for the first, whose answer was lost."""
    thing = await counter.till.thing()
    begun = (await counter.pay(thing)).payment
    await counter.told(counter.paymob.server.pay(begun.next_action or ""))
    await counter.paymob.server.fail_next_though_done(REFUND)
    refunds = [(await give_back(counter.till, [thing], egp(10), egp(0)))[0] for _ in range(2)]
    counter.till.work()

    async def all_are_back() -> bool:
        return {refund.status for refund in await counter.till.refunds(begun.id)} == {RefundState.SUCCESS}

    await until(all_are_back, within_s=30)
    assert counter.paymob.server.given_back == [1000, 1000]
    assert len(refunds) == 2
    await counter.till.check_books()


async def test_pages_are_asked_for_side_by_side(paymob: Paymob) -> None:
    pages = await asyncio.gather(*(paymob.page() for _ in range(10)))
    assert len({shown.next_action for _, shown in pages}) == 10
