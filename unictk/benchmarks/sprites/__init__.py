"""The built-in world as a benchmark of the backbone itself: one file a subject, :mod:`.bench` runs them."""
