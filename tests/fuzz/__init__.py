"""Fuzzing the walk and the normalisers: mutated archives, and what must hold of each."""
