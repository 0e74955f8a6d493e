"""Payouts that go to the bank together: made by one admin, approved by another, answered by the bank."""
