"""Turns speech into text and text into speech, and answers spoken questions."""
