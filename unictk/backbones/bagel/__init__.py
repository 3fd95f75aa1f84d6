"""BAGEL: a mixture-of-transformers Qwen2 that reads pictures by a ViT and draws them by rectified flow."""
