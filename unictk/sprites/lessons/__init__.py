"""What a model is taught about the world: one writer per kind of lesson, each giving one sample."""
