"""Which adapter implements which port."""
