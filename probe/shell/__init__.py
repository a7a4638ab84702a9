"""How the command line writes and speaks: the names of its files, how they are delivered, and what it prints."""
