"""LightningModules: what trains, what it is fed and how its losses add up."""
