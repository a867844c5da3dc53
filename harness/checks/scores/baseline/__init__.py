"""The accepted baseline: what it holds, and what has changed since."""
