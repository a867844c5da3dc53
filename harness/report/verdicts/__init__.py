"""Verdicts as text, Markdown, JSON, JUnit and annotations."""
