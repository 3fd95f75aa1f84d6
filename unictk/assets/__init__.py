"""What the package brings along: a small tokenizer and small weights."""
