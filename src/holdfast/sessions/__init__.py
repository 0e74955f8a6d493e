"""Microbus sessions: one vehicle of a driver, waiting at a station to fill up."""
