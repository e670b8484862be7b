"""Where records stand in the tree of a commit: placed, found, compared and checked."""
