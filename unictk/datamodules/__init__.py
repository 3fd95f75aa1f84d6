"""Data: published layouts read into samples, and the plan of an epoch."""
