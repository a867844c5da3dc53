"""The report of timing sessions."""
