"""What is done to anyone's model: its layers are traced, judged, swapped and repaired."""
