"""A record: what one attempt at one cell left, and the store that keeps it."""
