"""Talking to a web service of Plate Recognizer's: pacing, retries, errors, uploads."""
