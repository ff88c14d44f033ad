"""How any task is trained: Lightning's trainer, optimisers, loggers, checkpoints."""
