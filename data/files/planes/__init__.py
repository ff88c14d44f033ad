"""Masks of classes that may overlap: a folder of masks for each class, or files with a band for each."""
