"""What is trained: linear heads on cached features, and fine-tuned towers."""
