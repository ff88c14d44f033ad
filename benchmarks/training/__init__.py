"""Training steps, against those of others and against the machine."""
