"""How a release is made: one version everywhere, and what is handed out."""
