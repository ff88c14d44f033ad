"""Networks: plain modules that are built in a notebook in one line."""
