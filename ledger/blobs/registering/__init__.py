"""Data that stays where it lies: hashed when it is registered, checked when it is read."""
