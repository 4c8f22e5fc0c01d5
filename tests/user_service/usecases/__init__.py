"""What can be done with people, on fakes."""
