"""Janus-Pro: SigLIP features to read by, image codes of a head of their own to draw by, one causal Llama."""
