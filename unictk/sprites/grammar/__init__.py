"""The words of the sprites world: prompts, questions, facts and verdicts as text, and back to data."""
