"""The functions that operators are made of, each in its fastest form."""
