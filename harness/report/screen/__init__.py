"""What fits the screen of a terminal: the answer of a check, and of a night."""
