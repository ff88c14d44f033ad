"""Small images to large ones."""
