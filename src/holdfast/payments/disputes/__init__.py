"""Chargebacks: payers who dispute a payment at their bank, and what that does to the money."""
