"""What a payer sees of the sandbox."""

from html import escape

from holdfast.app.sandbox.script import ChargeStatus
from holdfast.app.sandbox.store import Charge
from holdfast.common.money import major_text

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sandbox bank</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-inline-size: 26rem; margin: 15vh auto; padding-inline: 1rem; }}
  button {{ font: inherit; padding: .6rem 1.2rem; border: 0; border-radius: .4rem; color: #fff; cursor: pointer; }}
  .approve {{ background: #17693c; }}
  .decline {{ background: #9b1c1c; }}
</style>
</head>
<body>
<h1>Sandbox bank</h1>
{content}
<p><small>No real money moves here.</small></p>
</body>
</html>
"""


def ask(charge: Charge) -> str:
    """The page with the two buttons; what is decided already says so."""
    if charge.status is not ChargeStatus.PENDING:
        return thank(charge)
    amount = escape(f"{major_text(charge.amount, charge.currency)} {charge.currency}")
    return _PAGE.format(
        content=f"""<p>Pay <strong>{amount}</strong>?</p>
<form method="post">
<button class="approve" name="decision" value="approve">Approve</button>
<button class="decline" name="decision" value="decline">Decline</button>
</form>"""
    )


def thank(charge: Charge) -> str:
    """What became of it."""
    said = {
        ChargeStatus.CAPTURED: "The payment is made.",
        ChargeStatus.DECLINED: "The payment was declined.",
        ChargeStatus.PENDING: "The payment is on its way.",
    }
    return _PAGE.format(content=f"<p>{said[charge.status]} You may close this page.</p>")
