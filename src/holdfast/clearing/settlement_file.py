"""Reads a settlement file: CSV with a line of names first, ``reference, id, kind, gross, fee, net, currency, date``.

Amounts are in major units, seen from us: a capture came in, a refund, a dispute and a payout went out (below zero); a fee is what the
gateway kept. ``id`` is ours, or empty. All of a file is read, or nothing of it.
"""

import csv
from collections.abc import Iterable, Mapping
from datetime import date
from uuid import UUID

from holdfast.clearing.models import Line, MovementKind
from holdfast.common.errors import NotFound
from holdfast.common.ids import Id
from holdfast.common.money import minor_units
from holdfast.payments.models import PaymentId, RefundId

COLUMNS = ("reference", "id", "kind", "gross", "fee", "net", "currency", "date")
FAULTS_SHOWN = 20
_CURRENCY_LENGTH = 3
_OURS: Mapping[MovementKind, type[Id]] = {
    MovementKind.CAPTURE: PaymentId,
    MovementKind.DISPUTE: PaymentId,
    MovementKind.REFUND: RefundId,
}


class SettlementFileFaulty(Exception):
    """The file cannot be read as a settlement file. The message names every fault with its line."""


def read_lines(rows: Iterable[str]) -> list[Line]:
    """Every line of a file. Raises SettlementFileFaulty."""
    reader = csv.DictReader(rows, strict=True)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise SettlementFileFaulty(f"The first line has to name these columns too: {', '.join(missing)}")
    lines: list[Line] = []
    faults: list[str] = []
    try:
        for row in reader:
            try:
                lines.append(_read(row))
            except (ValueError, NotFound) as error:
                faults.append(f"line {reader.line_num}: {error}")
    except csv.Error as error:
        faults.append(f"line {reader.line_num}: {error}")
    if faults:
        more = [f"... and {len(faults) - FAULTS_SHOWN} more"] if len(faults) > FAULTS_SHOWN else []
        raise SettlementFileFaulty("\n  ".join([*faults[:FAULTS_SHOWN], *more]))
    return lines


def _read(row: Mapping[str, str | None]) -> Line:
    given = {name: (row[name] or "").strip() for name in COLUMNS}
    kind, currency = MovementKind(given["kind"].upper()), given["currency"]
    if len(currency) != _CURRENCY_LENGTH or not currency.isascii() or not currency.isupper():
        raise ValueError(f"{currency!r} is no currency")
    if not given["reference"]:
        raise ValueError("there is no reference")
    return Line(
        kind=kind,
        reference=given["reference"],
        subject_id=_ours(kind, given["id"]),
        gross=minor_units(given["gross"], currency),
        fee=minor_units(given["fee"] or "0", currency),
        net=minor_units(given["net"], currency),
        currency=currency,
        settled_on=date.fromisoformat(given["date"]),
    )


def _ours(kind: MovementKind, text: str) -> UUID | None:
    """Our id of it; None where the gateway gives none, or where it is none of ours: that shows when it is compared."""
    id_type = _OURS.get(kind)
    if id_type is None or not text:
        return None
    try:
        return id_type.parse(text)
    except (ValueError, NotFound):
        return None
