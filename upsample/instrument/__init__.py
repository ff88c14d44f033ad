"""What is measured of outputs: checkerboards, in images and logits."""
