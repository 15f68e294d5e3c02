"""Copies of images: found within a set, in the bank and in other sets, told and shown."""
