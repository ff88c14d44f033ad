"""What a layer prints, exactly and from its weights alone."""
