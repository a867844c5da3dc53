"""What a configuration scored: quality, parity, stability, and the accepted baseline."""
