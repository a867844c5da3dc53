"""Looking after a store: what it holds, what of it may go, and whether it is what was written."""
