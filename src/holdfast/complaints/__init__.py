"""What passengers complain about, and what admins answer."""
