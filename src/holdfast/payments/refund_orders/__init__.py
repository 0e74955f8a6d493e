"""Refunds that admins decide on: a part of a payment, with a reason; or one that its gateway cannot do, into the payer's wallet."""
