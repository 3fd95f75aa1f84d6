"""The built-in world: rendered scenes whose attributes are known, so that every claim can be measured."""
