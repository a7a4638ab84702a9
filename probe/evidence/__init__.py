"""What speaks for and against a model that improves an internal answer block by block, one kind of evidence a file."""
