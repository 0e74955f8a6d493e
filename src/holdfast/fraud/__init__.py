"""Who may not pay just now: rules that admins change, counted in PostgreSQL, and a queue of what somebody has to look at."""
