"""What check_data.py says and draws."""
