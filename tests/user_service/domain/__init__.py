"""The rules about people, without any world."""
