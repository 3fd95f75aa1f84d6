"""Lightning callbacks: one concern a file, configured with plain values."""
