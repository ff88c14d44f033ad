"""Noise to images."""
