"""Maintenance that is planned, shown, then executed. Nothing is here yet."""
