"""Is the instrument right? Its false alarms, its power and its amounts, on images whose answer is known."""
