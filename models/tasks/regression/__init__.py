"""Images to a number for each pixel."""
