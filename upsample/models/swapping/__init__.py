"""What enlarges in anyone's model, replaced by an operator."""
