"""Trained networks: saved, read back, folded and exported."""
