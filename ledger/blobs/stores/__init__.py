"""Where objects are kept: what a store can do, the stores that there are, and what stands in front of them.

A cache, other stores, retries and read-only access are stores in front of a store. Knows keys and bytes, and nothing of
contents.
"""
