"""Pretrained towers behind one face, where their weights come from, and what was loaded."""
