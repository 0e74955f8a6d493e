"""Holdfast sells limited things in real time and never sells one twice."""
