"""Adversarial OOD sets: crafted, kept as real images, judged on the same images."""
