"""Sessions, audio, utterances, and what speech backends have to offer."""
