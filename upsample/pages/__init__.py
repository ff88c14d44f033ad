"""What a person looks at: tables, explanations and pictures of operators."""
