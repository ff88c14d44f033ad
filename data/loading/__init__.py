"""From what a data set holds to samples and batches: drawn, cut, turned, coloured, cached."""
