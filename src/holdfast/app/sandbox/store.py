"""What the sandbox remembers: a SQLite file, every change on the disk before it is answered."""

import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from holdfast.app.sandbox.script import AUTHENTICATION_EXPIRED, AUTHENTICATION_FAILED, ChargeStatus, DisputeStatus, RefundStatus, script_of

T = TypeVar("T")

RETRY_WAIT_MAX_S = 300.0
RETRIES_MAX = 24

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS charges (
        id TEXT PRIMARY KEY, amount INTEGER NOT NULL, currency TEXT NOT NULL, token TEXT NOT NULL, reference TEXT NOT NULL UNIQUE,
        status TEXT NOT NULL, reason TEXT, taken INTEGER NOT NULL DEFAULT 0, return_url TEXT, later TEXT, decide_at REAL,
        created_at REAL NOT NULL, captured_at REAL, authenticate INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX IF NOT EXISTS charges_decide_at ON charges (decide_at) WHERE decide_at IS NOT NULL;
    CREATE TABLE IF NOT EXISTS refunds (
        id TEXT PRIMARY KEY, charge_id TEXT NOT NULL REFERENCES charges (id), amount INTEGER NOT NULL, currency TEXT NOT NULL,
        reference TEXT NOT NULL, status TEXT NOT NULL, reason TEXT, decide_at REAL, created_at REAL NOT NULL, done_at REAL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS refunds_charge_id ON refunds (charge_id);
    CREATE INDEX IF NOT EXISTS refunds_decide_at ON refunds (decide_at) WHERE decide_at IS NOT NULL;
    CREATE TABLE IF NOT EXISTS disputes (
        id TEXT PRIMARY KEY, charge_id TEXT NOT NULL REFERENCES charges (id), amount INTEGER NOT NULL, currency TEXT NOT NULL,
        reason TEXT NOT NULL, status TEXT NOT NULL, decide_at REAL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS disputes_charge_id ON disputes (charge_id);
    CREATE INDEX IF NOT EXISTS disputes_decide_at ON disputes (decide_at) WHERE decide_at IS NOT NULL;
    CREATE TABLE IF NOT EXISTS movements (
        position INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, charge_id TEXT NOT NULL,
        amount INTEGER NOT NULL, currency TEXT NOT NULL, reference TEXT NOT NULL, at REAL NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS messages (
        position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, body TEXT NOT NULL, is_forged INTEGER NOT NULL,
        subject TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, deliver_at REAL, delivered_at REAL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS messages_deliver_at ON messages (deliver_at) WHERE deliver_at IS NOT NULL;
    CREATE INDEX IF NOT EXISTS messages_subject ON messages (subject);
"""


class OtherRequest(Exception):
    """An id was used before for another amount, currency or charge."""


class NotRefundable(Exception):
    """There is no such charge, it was not captured in this currency, or less of it is left."""


class NotDisputable(Exception):
    """There is no such charge or dispute, it was not captured, or it is decided already."""


class MovementKind(StrEnum):
    CAPTURE = "capture"
    REFUND = "refund"


class NewCharge(Struct, frozen=True):
    """What is to be charged."""

    id: str
    amount: int
    currency: str
    token: str
    return_url: str | None = None
    authenticate: bool = False


class Charge(Struct, frozen=True):
    """A charge. Amounts are in minor units; ``taken`` is what was captured. Times are seconds since 1970.

    ``authenticate``: the caller demanded 3-D Secure of a token that would be charged without.
    """

    id: str
    amount: int
    currency: str
    token: str
    reference: str
    status: ChargeStatus
    reason: str | None
    taken: int
    return_url: str | None
    later: ChargeStatus | None
    decide_at: float | None
    created_at: float
    captured_at: float | None
    authenticate: int = 0

    @property
    def asks_payer(self) -> bool:
        """Whether it is the payer, on a page, who decides it."""
        return bool(self.authenticate) or script_of(self.token).asks_payer


class SandboxRefund(Struct, frozen=True):
    """Money of a charge that was given back."""

    id: str
    charge_id: str
    amount: int
    currency: str
    reference: str
    status: RefundStatus
    reason: str | None
    decide_at: float | None
    created_at: float
    done_at: float | None


class SandboxDispute(Struct, frozen=True):
    """A charge that its payer disputes."""

    id: str
    charge_id: str
    amount: int
    currency: str
    reason: str
    status: DisputeStatus
    decide_at: float | None


class Movement(Struct, frozen=True):
    """Money that moved. ``position`` numbers movements in their order."""

    position: int
    kind: MovementKind
    id: str
    charge_id: str
    amount: int
    currency: str
    reference: str
    at: float


class Message(Struct, frozen=True):
    """A webhook to be delivered."""

    position: int
    id: str
    body: str
    is_forged: int
    tries: int


class Store:
    """The sandbox's own database. Used by one thread at a time."""

    def __init__(self, path: Path, *, late_s: float, page_lives_s: float) -> None:
        """``late_s``: how long what happens later takes. ``page_lives_s``: how long a payer has for 3-D Secure."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.row_factory = sqlite3.Row
        self._database.executescript(
            f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; BEGIN; {_SCHEMA} COMMIT;"
        )
        # A file from before this column: CREATE TABLE IF NOT EXISTS leaves it as it is.
        if "authenticate" not in [column["name"] for column in self._database.execute("PRAGMA table_info(charges)")]:
            self._database.execute("ALTER TABLE charges ADD COLUMN authenticate INTEGER NOT NULL DEFAULT 0")
        self._late_s = late_s
        self._page_lives_s = page_lives_s

    def close(self) -> None:
        self._database.close()

    def charge(self, requests: Sequence[NewCharge]) -> list[Charge | OtherRequest]:
        """Charge for each request, in one commit; one whose id was used before gets what became of the first charge with it."""
        with self._transaction():
            return [self._charge_one(request) for request in requests]

    def _charge_one(self, wanted: NewCharge) -> Charge | OtherRequest:
        known = self.find_charge(wanted.id)
        if known is not None:
            return known if (known.amount, known.currency) == (wanted.amount, wanted.currency) else OtherRequest()
        script, now = script_of(wanted.token), time.time()
        # A card that is declined anyway is declined at once, as at real gateways.
        authenticate = wanted.authenticate and script.charge is ChargeStatus.CAPTURED
        asks_payer = script.asks_payer or authenticate
        later = self._page_lives_s if asks_payer else self._late_s
        self._database.execute(
            "INSERT INTO charges (id, amount, currency, token, reference, status, reason, return_url, later, decide_at, created_at,"
            " authenticate) VALUES (?, ?, ?, ?, ?, 'pending', NULL, ?, ?, ?, ?, ?)",
            (
                wanted.id, wanted.amount, wanted.currency, wanted.token, f"ch_{secrets.token_hex(12)}", wanted.return_url, script.later,
                now + later if script.later or asks_payer else None, now, authenticate,
            ),
        )  # fmt: skip
        if script.charge is not ChargeStatus.PENDING and not authenticate:
            self._decide(wanted.id, script.charge, script.reason, is_final=script.later is None)
        return self._charge(wanted.id)

    def find_charge(self, charge_id: str) -> Charge | None:
        return self._one(Charge, "SELECT * FROM charges WHERE id = ?", charge_id)

    def find_by_reference(self, reference: str) -> Charge | None:
        return self._one(Charge, "SELECT * FROM charges WHERE reference = ?", reference)

    def answer_page(self, reference: str, *, is_approved: bool) -> Charge | None:
        """The payer pressed a button. What is decided already stays as it is."""
        with self._transaction():
            charge = self.find_by_reference(reference)
            if charge is None or charge.status is not ChargeStatus.PENDING or not charge.asks_payer:
                return charge
            if is_approved:
                self._decide(charge.id, ChargeStatus.CAPTURED, None)
            else:
                self._decide(charge.id, ChargeStatus.DECLINED, AUTHENTICATION_FAILED)
            return self._charge(charge.id)

    def refund(self, refund_id: str, charge_id: str, amount: int, currency: str) -> SandboxRefund:
        """Give money back, or what became of the first refund with this id. Raises OtherRequest, NotRefundable."""
        with self._transaction():
            known = self.find_refund(refund_id)
            if known is not None:
                if (known.charge_id, known.amount, known.currency) != (charge_id, amount, currency):
                    raise OtherRequest
                return known
            charge = self.find_charge(charge_id)
            if charge is None or charge.status is not ChargeStatus.CAPTURED or charge.currency != currency:
                raise NotRefundable
            (given_back,) = self._database.execute(
                "SELECT coalesce(sum(amount), 0) FROM refunds WHERE charge_id = ? AND status <> 'declined'", (charge_id,)
            ).fetchone()
            if given_back + amount > charge.taken:
                raise NotRefundable
            status, now = script_of(charge.token).refund, time.time()
            self._database.execute(
                "INSERT INTO refunds (id, charge_id, amount, currency, reference, status, decide_at, created_at)"
                " VALUES (?, ?, ?, ?, ?, 'pending', ?, ?)",
                (
                    refund_id, charge_id, amount, currency, f"re_{secrets.token_hex(12)}",
                    now + self._late_s if status is RefundStatus.PENDING else None, now,
                ),
            )  # fmt: skip
            if status is not RefundStatus.PENDING:
                self._decide_refund(refund_id, status)
            return self._refund(refund_id)

    def find_refund(self, refund_id: str) -> SandboxRefund | None:
        return self._one(SandboxRefund, "SELECT * FROM refunds WHERE id = ?", refund_id)

    def refunds_of(self, charge_id: str) -> list[SandboxRefund]:
        return self._all(SandboxRefund, "SELECT * FROM refunds WHERE charge_id = ? ORDER BY created_at, id", charge_id)

    def dispute(self, charge_id: str, amount: int | None, reason: str) -> SandboxDispute:
        """The payer of a charge disputes it, all of it or ``amount``. Raises NotDisputable."""
        with self._transaction():
            charge = self.find_charge(charge_id)
            if charge is None or charge.status is not ChargeStatus.CAPTURED:
                raise NotDisputable
            return self._announce_dispute(self._dispute_later(charge, amount or charge.taken, reason, 0.0).id, DisputeStatus.OPENED)

    def decide_dispute(self, dispute_id: str, status: DisputeStatus) -> SandboxDispute:
        """The payer's bank decides; a dispute that was lost can be won after all. Raises NotDisputable."""
        with self._transaction():
            dispute = self._one(SandboxDispute, "SELECT * FROM disputes WHERE id = ?", dispute_id)
            if dispute is None or dispute.status is DisputeStatus.WON:
                raise NotDisputable
            return self._announce_dispute(dispute_id, status)

    def disputes_of(self, charge_id: str) -> list[SandboxDispute]:
        return self._all(SandboxDispute, "SELECT * FROM disputes WHERE charge_id = ? AND status <> 'waiting' ORDER BY rowid", charge_id)

    def movements(self, since: float, after: int, limit: int) -> list[Movement]:
        """Movements from a time on, in order, after a position."""
        return self._all(Movement, "SELECT * FROM movements WHERE at >= ? AND position > ? ORDER BY position LIMIT ?", since, after, limit)

    def decide_due(self) -> None:
        """Do what was put off until now."""
        now = time.time()
        with self._transaction():
            for charge in self._all(Charge, "SELECT * FROM charges WHERE decide_at <= ? LIMIT 500", now):
                if charge.later is None:
                    self._decide(charge.id, ChargeStatus.DECLINED, AUTHENTICATION_EXPIRED)
                else:
                    self._decide(charge.id, charge.later, None)
            for refund in self._all(SandboxRefund, "SELECT * FROM refunds WHERE decide_at <= ? LIMIT 500", now):
                self._decide_refund(refund.id, RefundStatus.DONE)
            for dispute in self._all(SandboxDispute, "SELECT * FROM disputes WHERE decide_at <= ? LIMIT 500", now):
                self._announce_dispute(dispute.id, DisputeStatus.OPENED)

    def next_due_in(self) -> float | None:
        """Seconds until there is something to do; None where nothing is put off."""
        (first,) = self._database.execute(
            "SELECT min(at) FROM (SELECT min(decide_at) AS at FROM charges WHERE decide_at IS NOT NULL"
            " UNION ALL SELECT min(decide_at) FROM refunds WHERE decide_at IS NOT NULL"
            " UNION ALL SELECT min(decide_at) FROM disputes WHERE decide_at IS NOT NULL"
            " UNION ALL SELECT min(deliver_at) FROM messages WHERE deliver_at IS NOT NULL)"
        ).fetchone()
        return None if first is None else float(first) - time.time()

    def due_messages(self, limit: int) -> list[Message]:
        return self._all(
            Message,
            "SELECT position, id, body, is_forged, tries FROM messages WHERE deliver_at <= ? ORDER BY deliver_at LIMIT ?",
            time.time(),
            limit,
        )

    def delivered(self, answers: Sequence[tuple[Message, bool]]) -> None:
        """Messages were accepted, or are to be sent again later, up to a day. A forged one is sent once."""
        with self._transaction():
            for message, is_accepted in answers:
                now = time.time()
                is_over = is_accepted or message.is_forged or message.tries >= RETRIES_MAX
                self._database.execute(
                    "UPDATE messages SET tries = tries + 1, deliver_at = ?, delivered_at = ? WHERE position = ?",
                    (
                        None if is_over else now + min(2.0**message.tries, RETRY_WAIT_MAX_S),
                        now if is_accepted else None,
                        message.position,
                    ),
                )

    def waits_for_delivery(self, subject: str) -> bool:
        """Whether a message about a charge was not yet accepted."""
        found = self._database.execute("SELECT 1 FROM messages WHERE subject = ? AND deliver_at IS NOT NULL", (subject,)).fetchone()
        return found is not None

    def _decide(self, charge_id: str, status: ChargeStatus, reason: str | None, *, is_final: bool = True) -> None:
        charge, now = self._charge(charge_id), time.time()
        script = script_of(charge.token)
        taken = charge.amount - script.takes_less_by if status is ChargeStatus.CAPTURED else 0
        self._database.execute(
            "UPDATE charges SET status = ?, reason = ?, taken = ?, captured_at = ?,"
            " later = iif(?, NULL, later), decide_at = iif(?, NULL, decide_at) WHERE id = ?",
            (status, reason, taken, now if taken else None, is_final, is_final, charge_id),
        )
        if taken:
            self._move(MovementKind.CAPTURE, charge_id, charge_id, taken, charge.currency, charge.reference, now)
        shown = shown_charge(self._charge(charge_id))
        if script.is_forged:
            self._announce(
                "charge", charge_id, {**shown, "status": ChargeStatus.CAPTURED, "taken": charge.amount}, copies=1, is_forged=True
            )
        self._announce("charge", charge_id, shown, copies=script.webhooks)
        if taken and script.is_disputed:
            self._dispute_later(self._charge(charge_id), taken, "fraudulent", now + self._late_s)

    def _decide_refund(self, refund_id: str, status: RefundStatus) -> None:
        refund, now = self._refund(refund_id), time.time()
        self._database.execute(
            "UPDATE refunds SET status = ?, reason = ?, done_at = ?, decide_at = NULL WHERE id = ?",
            (
                status,
                "refund_not_possible" if status is RefundStatus.DECLINED else None,
                now if status is RefundStatus.DONE else None,
                refund_id,
            ),
        )
        if status is RefundStatus.DONE:
            self._move(MovementKind.REFUND, refund_id, refund.charge_id, refund.amount, refund.currency, refund.reference, now)
        script = script_of(self._charge(refund.charge_id).token)
        self._announce("refund", refund_id, shown_refund(self._refund(refund_id)), copies=script.webhooks)

    def _dispute_later(self, charge: Charge, amount: int, reason: str, at: float) -> SandboxDispute:
        dispute_id = f"dp_{secrets.token_hex(12)}"
        self._database.execute(
            "INSERT INTO disputes (id, charge_id, amount, currency, reason, status, decide_at) VALUES (?, ?, ?, ?, ?, 'waiting', ?)",
            (dispute_id, charge.id, amount, charge.currency, reason, at),
        )
        return self._dispute(dispute_id)

    def _announce_dispute(self, dispute_id: str, status: DisputeStatus) -> SandboxDispute:
        self._database.execute("UPDATE disputes SET status = ?, decide_at = NULL WHERE id = ?", (status, dispute_id))
        dispute = self._dispute(dispute_id)
        charge = self._charge(dispute.charge_id)
        shown: dict[str, object] = {**shown_dispute(dispute), "chargeReference": charge.reference}
        self._announce("dispute", charge.id, shown, copies=script_of(charge.token).webhooks)
        return dispute

    def _dispute(self, dispute_id: str) -> SandboxDispute:
        found = self._one(SandboxDispute, "SELECT * FROM disputes WHERE id = ?", dispute_id)
        assert found is not None
        return found

    def _move(self, kind: MovementKind, moved_id: str, charge_id: str, amount: int, currency: str, reference: str, at: float) -> None:
        self._database.execute(
            "INSERT INTO movements (kind, id, charge_id, amount, currency, reference, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (kind, moved_id, charge_id, amount, currency, reference, at),
        )

    def _announce(self, about: str, subject: str, shown: dict[str, object], *, copies: int, is_forged: bool = False) -> None:
        body = msgspec.json.encode({"type": f"{about}.{shown['status']}", "data": shown}).decode()
        # The last of three is the same fact under another id, as gateways that have several kinds of events send it.
        first = f"msg_{secrets.token_hex(12)}"
        ids = [first, first, f"msg_{secrets.token_hex(12)}"][:copies]
        for message_id in ids:
            self._database.execute(
                "INSERT INTO messages (id, body, is_forged, subject, deliver_at) VALUES (?, ?, ?, ?, ?)",
                (message_id, body, is_forged, subject, time.time()),
            )

    def _charge(self, charge_id: str) -> Charge:
        found = self.find_charge(charge_id)
        assert found is not None
        return found

    def _refund(self, refund_id: str) -> SandboxRefund:
        found = self.find_refund(refund_id)
        assert found is not None
        return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _one(self, row: type[T], statement: str, *parameters: object) -> T | None:
        found = self._all(row, statement, *parameters)
        return found[0] if found else None

    def _all(self, row: type[T], statement: str, *parameters: object) -> list[T]:
        return [msgspec.convert(dict(found), row) for found in self._database.execute(statement, parameters).fetchall()]


def shown_charge(charge: Charge) -> dict[str, object]:
    """A charge as the interface and the webhooks show it."""
    return {
        "id": charge.id,
        "reference": charge.reference,
        "status": charge.status,
        "amount": charge.amount,
        "taken": charge.taken,
        "currency": charge.currency,
        "reason": charge.reason,
    }


def shown_refund(refund: SandboxRefund) -> dict[str, object]:
    """A refund as the interface and the webhooks show it."""
    return {
        "id": refund.id,
        "chargeId": refund.charge_id,
        "reference": refund.reference,
        "status": refund.status,
        "amount": refund.amount,
        "currency": refund.currency,
        "reason": refund.reason,
    }


def shown_dispute(dispute: SandboxDispute) -> dict[str, object]:
    """A dispute as the interface and the webhooks show it."""
    return {
        "id": dispute.id,
        "chargeId": dispute.charge_id,
        "status": dispute.status,
        "amount": dispute.amount,
        "currency": dispute.currency,
        "reason": dispute.reason,
    }


def shown_movements(movements: Sequence[Movement]) -> list[dict[str, object]]:
    """Movements as the interface shows them."""
    return [
        {
            "position": movement.position,
            "kind": movement.kind,
            "id": movement.id,
            "chargeId": movement.charge_id,
            "amount": movement.amount,
            "currency": movement.currency,
            "reference": movement.reference,
            "at": movement.at,
        }
        for movement in movements
    ]
