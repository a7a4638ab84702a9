"""What the command line can do, one command a file: a configuration goes in, a result comes out."""
