"""Keys of a bench: roots, the centre's services, vehicles, callers' tokens.

`ceremony.initialise` makes everything under one directory; `layout.Layout` knows the paths. In
production each of these directories would be another machine, and the roots' would be in a safe.
"""
