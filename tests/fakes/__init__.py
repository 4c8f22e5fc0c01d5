"""One fake a port, held to the same contract as the real adapter."""
