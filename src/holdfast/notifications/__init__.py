"""What people are told: rows written from the event log, read in the reader's language."""
