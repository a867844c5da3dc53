"""Commands that look after the store and what comes with the harness."""
