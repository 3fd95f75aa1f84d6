"""UniCorn's self-play: a model proposes prompts, draws them, judges its drawings, and learns from that."""
