"""Files of images: found, read, cached and split."""
