"""A file for each family of projects: what shows that a tree is one, what it needs, the steps that build it. Pure."""
