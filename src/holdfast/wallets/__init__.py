"""What people have with us: filled through a gateway, spent on bookings, and where refunds may go."""
