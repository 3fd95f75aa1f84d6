"""Show-o: discrete image codes and text in one Phi transformer with omni-attention (arXiv 2408.12528)."""
