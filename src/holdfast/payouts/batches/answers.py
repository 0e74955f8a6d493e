"""What a bank says of a batch: ISO 20022 pain.002, or CSV with a line for each transfer."""

import csv
from collections.abc import Mapping, Sequence
from enum import StrEnum
from io import StringIO
from xml.parsers import expat

from msgspec import Struct

from holdfast.payouts.batches.errors import AnswerUnreadable
from holdfast.payouts.models import RETURN_REASON_LENGTH_MAX

BYTES_MAX = 4_000_000
UNSAID = "NARR"
"""The standard's code for a reason that is told in words, or not at all."""

_COLUMNS = frozenset({"end_to_end_id", "status", "reason"})
_DEPTH_MAX = 30


class Word(StrEnum):
    """What a bank says of a transfer."""

    PAID = "PAID"
    RETURNED = "RETURNED"
    PENDING = "PENDING"


# ISO 20022 ExternalPaymentTransactionStatus1Code: those that are the last word on a transfer, and those that are not yet.
_WORDS: Mapping[str, Word] = {
    **dict.fromkeys(("ACSC", "ACCC", "PAID"), Word.PAID),
    **dict.fromkeys(("RJCT", "CANC", "RETURNED"), Word.RETURNED),
    **dict.fromkeys(("ACTC", "ACCP", "ACSP", "ACWC", "ACWP", "ACFC", "PDNG", "RCVD", "PATC", "PENDING"), Word.PENDING),
}


class Said(Struct, frozen=True):
    """What a bank says of one transfer, and on which line. ``word`` is None for a status that is not known."""

    line: int
    end_to_end_id: str
    word: Word | None
    reason: str


class Answer(Struct, frozen=True):
    """What a bank says. ``message_id`` is the batch that it speaks of, where it says so; ``all`` is what it says of all transfers."""

    message_id: str | None
    all: Said | None
    said: Sequence[Said]


def read_answer(body: bytes) -> Answer:
    """A bank's answer, whichever form it has. Raises AnswerUnreadable."""
    return _read_pain002(body) if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else _read_csv(body)


def _read_csv(body: bytes) -> Answer:
    try:
        reader = csv.DictReader(StringIO(body.decode("utf-8-sig")), strict=True)
        if not set(reader.fieldnames or ()) >= _COLUMNS:
            raise AnswerUnreadable
        said = [_said(reader.line_num, row["end_to_end_id"] or "", row["status"] or "", row["reason"] or "") for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise AnswerUnreadable from error
    return Answer(None, None, said)


def _read_pain002(body: bytes) -> Answer:
    return _Pain002().read(body)


class _Pain002:
    """Reads with expat itself, because a line that is wrong is to be named, and because a document type has no business here."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._text = ""
        self._line = 0
        self._fields: dict[str, str] = {}
        self._group: dict[str, str] = {}
        self._group_line = 0
        self._said: list[Said] = []

    def read(self, body: bytes) -> Answer:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = lambda name, _attributes: self._start(name.rpartition(" ")[2], parser.CurrentLineNumber)
        parser.EndElementHandler = lambda name: self._end(name.rpartition(" ")[2])
        parser.CharacterDataHandler = self._read_text
        try:
            parser.Parse(body, True)
        except expat.ExpatError as error:
            raise AnswerUnreadable from error
        if "OrgnlMsgId" not in self._group:
            raise AnswerUnreadable
        status = self._group.get("GrpSts", "")
        # A group that was accepted says nothing of the transfers in it.
        everything = _said(self._group_line, "", status, self._group.get("Cd", "")) if _WORDS.get(status) is Word.RETURNED else None
        return Answer(self._group["OrgnlMsgId"], everything, self._said)

    def _refuse(self, *_declared: object) -> None:
        raise AnswerUnreadable

    def _start(self, name: str, line: int) -> None:
        self._path.append(name)
        self._text = ""
        if len(self._path) > _DEPTH_MAX:
            raise AnswerUnreadable
        if name == "TxInfAndSts":
            self._line, self._fields = line, {}
        if name == "GrpSts":
            self._group_line = line

    def _read_text(self, text: str) -> None:
        self._text += text

    def _end(self, name: str) -> None:
        self._path.pop()
        if name == "TxInfAndSts":
            said = self._fields
            self._said.append(_said(self._line, said.get("OrgnlEndToEndId", ""), said.get("TxSts", ""), _reason(said)))
        elif "TxInfAndSts" in self._path:
            self._fields.setdefault(name, self._text.strip())
        elif "OrgnlGrpInfAndSts" in self._path:
            self._group.setdefault(name, self._text.strip())


def _reason(fields: Mapping[str, str]) -> str:
    return " ".join(text for text in (fields.get("Cd") or fields.get("Prtry"), fields.get("AddtlInf")) if text)


def _said(line: int, end_to_end_id: str, status: str, reason: str) -> Said:
    printable = "".join(character for character in reason.strip() if character.isprintable())
    return Said(line, end_to_end_id.strip(), _WORDS.get(status.strip().upper()), printable[:RETURN_REASON_LENGTH_MAX].strip() or UNSAID)
