"""Who is calling and whether to believe it: tokens, keys, revocations."""
