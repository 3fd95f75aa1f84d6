"""Drawing many prompts into the folders that people and scorers expect."""
