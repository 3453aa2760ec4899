"""Programs that run inside containers. None is imported by the others here: their text is what is sent."""
