"""What is true: SQLModel nouns, functions on them as verbs, the engine and content-addressed files."""
