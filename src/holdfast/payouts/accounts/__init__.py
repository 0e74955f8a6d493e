"""Where the money of payouts goes: one bank account for each payee, sealed under the payee's own key."""
