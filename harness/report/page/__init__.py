"""A report as one page to click through: HTML that needs nothing but itself."""
