"""UnifyBench (UniCTokens, section 4): what a model knows and draws of one concept."""
