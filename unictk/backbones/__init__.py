"""Backbones: the only places that know how segments become ids, masks, positions and losses."""
