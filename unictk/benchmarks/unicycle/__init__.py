"""UniCycle (UniCorn, section 3.4): a model answers questions about pictures that it drew itself."""
