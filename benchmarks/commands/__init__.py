"""How long a command takes to say or do something."""
