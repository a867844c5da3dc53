"""Two environments, A and B: the same runs in both, and what parts them."""
