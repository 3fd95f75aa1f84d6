"""Concept tokens: rows outside the model's tables, their prompts, starting values and files."""
