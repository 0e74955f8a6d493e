"""Settlement files: all of one is read, or nothing, and every fault is named with its line."""

from datetime import date
from uuid import UUID

import pytest

from holdfast.clearing.models import Line, MovementKind
from holdfast.clearing.settlement_file import SettlementFileFaulty, read_lines
from holdfast.payments.models import PaymentId, RefundId

HEAD = "reference,id,kind,gross,fee,net,currency,date"


def test_a_file_is_read() -> None:
    payment, refund = PaymentId.new(), RefundId.new()
    lines = read_lines(
        [
            HEAD,
            f"ch_1,{payment},capture,31.00,0.93,30.07,EGP,2026-05-01",
            f"re_1,{refund},REFUND,-20.00,,-20.00,EGP,2026-05-02",
            "po_1,,payout,-10,0,-10,JPY,2026-05-03",
        ]
    )
    assert lines == [
        Line(MovementKind.CAPTURE, "ch_1", UUID(int=payment.int), 3100, 93, 3007, "EGP", date(2026, 5, 1)),
        Line(MovementKind.REFUND, "re_1", UUID(int=refund.int), -2000, 0, -2000, "EGP", date(2026, 5, 2)),
        Line(MovementKind.PAYOUT, "po_1", None, -10, 0, -10, "JPY", date(2026, 5, 3)),
    ]


def test_an_id_that_is_none_of_ours_is_none() -> None:
    (line,) = read_lines([HEAD, "ch_1,order-17,capture,31.00,0,31.00,EGP,2026-05-01"])
    assert line.subject_id is None


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["reference,id"], "kind, gross, fee, net, currency, date"),
        ([HEAD, "ch_1,,capture,31.001,0,31.00,EGP,2026-05-01"], "line 2: An amount in EGP has at most 2 digits"),
        ([HEAD, "ch_1,,capture,x,0,1,EGP,2026-05-01"], "line 2: x is no number"),
        ([HEAD, "ch_1,,gift,1,0,1,EGP,2026-05-01"], "line 2: 'GIFT'"),
        ([HEAD, "ch_1,,capture,1,0,1,egp,2026-05-01"], "line 2: 'egp' is no currency"),
        ([HEAD, ",,capture,1,0,1,EGP,2026-05-01"], "line 2: there is no reference"),
        ([HEAD, "ch_1,,capture,1,0,1,EGP,1 May"], "line 2: Invalid isoformat"),
        ([HEAD, "a,,capture,1,0,1,EGP,2026-05-01", "b,,capture,1,0,1,EGP,"], "line 3"),
        ([HEAD, 'a,"b,capture'], "unexpected end of data"),
    ],
)
def test_faults_are_named_with_their_line(rows: list[str], said: str) -> None:
    with pytest.raises(SettlementFileFaulty) as faulty:
        read_lines(rows)
    assert said in str(faulty.value)
