"""What the published sizes need: memory and operations, from the shapes of their networks alone."""
