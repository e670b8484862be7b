"""What Git keeps: objects in packs and loose files, refs, remotes and settings. Knows nothing of records."""
