"""Commands of operations as processes: a launcher starts them, owns every descendant and leaves none behind.

``client`` is what the rest of the product uses. ``launcher`` and ``keeper`` run in processes of their own,
with the standard library alone, and import nothing but this package.
"""
