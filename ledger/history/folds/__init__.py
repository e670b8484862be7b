"""How packs are written, and how many small ones become few."""
