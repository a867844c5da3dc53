"""Sessions over time: what changed where, as Markdown, as plots, as a page."""
