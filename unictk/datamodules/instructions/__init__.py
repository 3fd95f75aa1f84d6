"""Instruction data: conversations about pictures and text-image pairs, read from shards when needed."""
