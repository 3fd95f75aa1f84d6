"""The application shell: what `run.py` does before, around and after a task."""
