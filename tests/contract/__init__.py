"""What each port promises, asked of the fake and of the real adapter."""
