"""Inferring how a published package was made: facts read off its archives, and guesses that say what they rest on."""
