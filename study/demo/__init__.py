"""A page on this machine alone: an image is dropped, and is answered by what a network makes and what its grid adds."""
