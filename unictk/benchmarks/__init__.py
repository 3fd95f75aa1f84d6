"""Evaluation benchmarks: one a file, each asking a backbone through its protocol only."""
