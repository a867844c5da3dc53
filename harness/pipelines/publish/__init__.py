"""Results for other programs: as a DataFrame, and in their own formats."""
