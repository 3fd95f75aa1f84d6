"""UniToken: discrete and continuous image halves in one causal sequence (arXiv 2504.04423)."""
