"""Talking to a model: questions about pictures and concepts, and pictures drawn on the way."""
