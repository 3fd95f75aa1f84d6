"""Judges: who says how far a picture follows its prompt."""
