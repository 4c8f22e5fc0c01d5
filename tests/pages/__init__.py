"""The pages for people, in a real Chromium against the running system."""
