"""The recipe of a command model: grammars, synthetic voices, noise and training."""
