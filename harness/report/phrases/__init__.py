"""Codes in words: the one place where facts become sentences."""
