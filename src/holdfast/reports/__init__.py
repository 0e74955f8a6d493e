"""What admins want to see summed up."""
