"""eSpeak NG in processes of its own, for development and tests: its licence and its C code stay outside."""
