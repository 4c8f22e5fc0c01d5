"""How the parts come together."""
