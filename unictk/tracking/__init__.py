"""Weights & Biases: one run of theirs for each run folder of ours."""
