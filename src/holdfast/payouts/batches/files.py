"""The files of a batch for the bank: CSV, and ISO 20022 pain.001.001.09. Both are the same, byte for byte, each time they are made."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from enum import StrEnum
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from holdfast.common.money import Amount, major_text
from holdfast.documents.sheet import Number, sheet
from holdfast.payouts.accounts.models import Destination
from holdfast.payouts.batches.models import Order, Transfer

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_COLUMNS = ("end_to_end_id", "creditor_name", "creditor_iban", "creditor_bic", "amount", "currency", "execution_date", "batch_id")


class FileKind(StrEnum):
    CSV = "csv"
    XML = "xml"


def bank_file(kind: FileKind, order: Order, transfers: Sequence[Transfer]) -> bytes:
    """A file of a batch, its transfers in the order of their payouts' ids."""
    return _MAKERS[kind](order, sorted(transfers, key=lambda transfer: transfer.payout_id))


def _csv(order: Order, transfers: Sequence[Transfer]) -> bytes:
    return sheet(
        _COLUMNS,
        [
            (
                str(transfer.payout_id),
                transfer.destination.holder,
                transfer.destination.iban,
                transfer.destination.bic or "",
                Number(_number(transfer.amount)),
                transfer.amount.currency,
                order.execute_on.isoformat(),
                str(order.id),
            )
            for transfer in transfers
        ],
    )


def _pain001(order: Order, transfers: Sequence[Transfer]) -> bytes:
    document = Element("Document", xmlns=NAMESPACE)
    initiation = SubElement(document, "CstmrCdtTrfInitn")
    header = SubElement(initiation, "GrpHdr")
    _text(header, "MsgId", str(order.id))
    _text(header, "CreDtTm", order.made_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    _control(header, order, transfers)
    _text(SubElement(header, "InitgPty"), "Nm", order.debtor.holder)
    block = SubElement(initiation, "PmtInf")
    _text(block, "PmtInfId", str(order.id))
    _text(block, "PmtMtd", "TRF")
    _control(block, order, transfers)
    _text(SubElement(block, "ReqdExctnDt"), "Dt", order.execute_on.isoformat())
    _text(SubElement(block, "Dbtr"), "Nm", order.debtor.holder)
    _account(block, "DbtrAcct", order.debtor)
    _agent(block, "DbtrAgt", order.debtor)
    # Each bank takes its fees from its own customer.
    _text(block, "ChrgBr", "SHAR")
    for transfer in transfers:
        entry = SubElement(block, "CdtTrfTxInf")
        _text(SubElement(entry, "PmtId"), "EndToEndId", str(transfer.payout_id))
        _text(SubElement(entry, "Amt"), "InstdAmt", _number(transfer.amount), Ccy=transfer.amount.currency)
        if transfer.destination.bic:
            _agent(entry, "CdtrAgt", transfer.destination)
        _text(SubElement(entry, "Cdtr"), "Nm", transfer.destination.holder)
        _account(entry, "CdtrAcct", transfer.destination)
        _text(SubElement(entry, "RmtInf"), "Ustrd", str(transfer.payout_id))
    indent(document)
    written: bytes = tostring(document, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


_MAKERS: Mapping[FileKind, Callable[[Order, Sequence[Transfer]], bytes]] = {FileKind.CSV: _csv, FileKind.XML: _pain001}


def _control(parent: Element, order: Order, transfers: Sequence[Transfer]) -> None:
    """How many transfers there are and what they come to, for the bank to compare."""
    _text(parent, "NbOfTxs", str(len(transfers)))
    _text(parent, "CtrlSum", _number(order.total))


def _account(parent: Element, name: str, destination: Destination) -> None:
    _text(SubElement(SubElement(parent, name), "Id"), "IBAN", destination.iban)


def _agent(parent: Element, name: str, destination: Destination) -> None:
    """A bank. Where its code is not known the standard wants it said, and the IBAN tells which one it is."""
    institution = SubElement(SubElement(parent, name), "FinInstnId")
    if destination.bic:
        _text(institution, "BICFI", destination.bic)
    else:
        _text(SubElement(institution, "Othr"), "Id", "NOTPROVIDED")


def _text(parent: Element, name: str, content: str, **attributes: str) -> None:
    SubElement(parent, name, attributes).text = content


def _number(amount: Amount) -> str:
    return major_text(amount.minor, amount.currency)
