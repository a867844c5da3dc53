"""Verdicts over time: what older measurements say of them, and those of the last check, kept for `harness why`."""
