"""Training a small model from nothing, part by part: image tokenizer, language model, CLIP."""
