"""Speed and memory against the published procedures, each written plainly and equal in its results."""
