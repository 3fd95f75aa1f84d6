"""Runs a task: ``python run.py --help`` explains."""

from unictk.app.main import main

if __name__ == "__main__":
    main()
