"""Commands that show what the store holds."""
