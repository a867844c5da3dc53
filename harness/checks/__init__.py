"""Checks: finished runs in, verdicts out. Pure: no files, no processes."""
