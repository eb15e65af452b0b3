"""Joins the rooms: one TaskGroup, event in, the core decides, effects out in order."""
