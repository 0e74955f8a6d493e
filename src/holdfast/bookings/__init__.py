"""The life of a booking, from its hold to its end."""
