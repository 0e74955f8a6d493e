"""What can be booked. ``kind.py`` is the protocol that makes a thing bookable."""
