"""The rules about credentials, sessions and the chain, without any world."""
