"""What keeps checkpoints, and what checkpoints keep."""
