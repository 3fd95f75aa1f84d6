"""``python -m unictk.app`` is ``python run.py``: how a sweep starts a job in a process of its own."""

from unictk.app.main import main

if __name__ == "__main__":
    main()
