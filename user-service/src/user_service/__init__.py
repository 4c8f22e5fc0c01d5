"""Owns users and their roles."""
