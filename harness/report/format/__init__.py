"""What every report is written with: escaping, tables, numbers, labels."""
