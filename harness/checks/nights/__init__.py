"""Session after session: a grid's history read back, where it changes, and whether the newest session is in line."""
