"""Waiting rooms: a place in line for each person, before an owner that more people want than it can sell to at once."""
