"""Runs beside each other: listed, compared, exported, deleted."""
