"""Owns people and roles."""
