"""The report of a grid's scored runs."""
