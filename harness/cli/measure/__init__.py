"""Commands that run cells, or say what would run."""
