"""A history of releases: on a terminal, as a page with a plot."""
