"""Does a project give the same bytes when what should not matter changes? The maintainer's question before a tag.

    project -> variations -> plan of builds -> observations -> breakages, each with cause and fix

Everything in this folder is pure: no file, no container, no clock. `rebuilder/checking.py` does the work.
"""
