"""What a payee earned, gave back and was paid, for a week or for a session: made from the ledger."""
