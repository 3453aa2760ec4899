"""`verify --search`: which recipe is tried next, by what the differences of the rebuilds so far say. Pure.

    comparison of a rebuild -> Signs (signs) -> Changes that could remove them (hints) -> the next recipe (plan)

Changes are of a closed list of settings (changes). None edits the source, and none makes a comparison milder.
"""
