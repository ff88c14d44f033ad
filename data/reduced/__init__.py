"""Low-resolution images: how they are made of large ones, and how those are drawn that come with them."""
