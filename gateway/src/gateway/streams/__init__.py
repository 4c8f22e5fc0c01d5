"""Answers that come message by message: how many may be open, how each is sent, and when it ends."""
