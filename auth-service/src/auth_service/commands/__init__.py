"""What operators ask for on the command line, and what they are told."""
