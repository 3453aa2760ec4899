"""Builds in sealed containers: the engine, the runner inside, and what came out."""
